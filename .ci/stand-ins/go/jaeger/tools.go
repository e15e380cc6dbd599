// Jaeger, as its module has it: without its page, but with all it answers by HTTP.
package tools

import _ "github.com/jaegertracing/jaeger/cmd/all-in-one"
