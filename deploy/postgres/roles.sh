#!/usr/bin/env bash
# Gives each service a database of its own, and a role that can use no other. Runs once, when the
# server's volume is empty. What they are called, and their passwords, comes from the URLs that the
# services are given as secrets: postgres://ROLE:PASSWORD@HOST/DATABASE, none of it percent-encoded.
set -euo pipefail

read_url() {
  local url
  url=$(<"$1")
  [[ $url =~ ^postgres://([a-z0-9_]+):([A-Za-z0-9._~-]+)@[^/@]+/([a-z0-9_]+)(\?.*)?$ ]] ||
    { echo "roles: $1 must hold postgres://ROLE:PASSWORD@HOST/DATABASE" >&2; exit 1; }
  role=${BASH_REMATCH[1]} password=${BASH_REMATCH[2]} database=${BASH_REMATCH[3]}
}

for secret in /run/secrets/*-database-url; do
  read_url "$secret"
  # Standard input, so that the password stands on no command line.
  psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<SQL
create role "$role" login nosuperuser nocreatedb nocreaterole password '$password';
create database "$database" owner "$role";
revoke all on database "$database" from public;
SQL
  echo "roles: $role has the database $database"
done

# Nor may a service look around in the server's own databases.
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<'SQL'
revoke all on database postgres from public;
revoke all on database template1 from public;
SQL
