//! idp-stub
