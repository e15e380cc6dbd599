-- Times are microseconds since 1970, UTC. Secrets of high entropy are SHA-256 hashes.
create table signing_key (
    generation integer not null,
    kid text not null,
    pkcs8 blob not null,
    created_at integer not null,
    constraint signing_key_pkey primary key (generation)
) strict;

create table user_account (
    user_name text not null,
    password_hash text,
    constraint user_account_pkey primary key (user_name)
) strict;

create table client (
    client_id text not null,
    secret_hash blob,
    scopes text not null,
    redirect_uris text not null,
    may_impersonate integer not null,
    constraint client_pkey primary key (client_id)
) strict;

create table session (
    session_id blob not null,
    user_name text not null,
    client_id text,
    scopes text not null,
    signed_in_at integer not null,
    refreshed_at integer not null,
    revoked_at integer,
    constraint session_pkey primary key (session_id)
) strict;

create table refresh_token (
    token_hash blob not null,
    session_id blob not null,
    expires_at integer not null,
    used_at integer,
    constraint refresh_token_pkey primary key (token_hash)
) strict;

create index refresh_token_session_idx on refresh_token (session_id);

create index refresh_token_expires_at_idx on refresh_token (expires_at);

create table authorization_code (
    code_hash blob not null,
    client_id text not null,
    redirect_uri text not null,
    user_name text not null,
    scopes text not null,
    challenge text not null,
    nonce text,
    session_id blob not null,
    signed_in_at integer not null,
    expires_at integer not null,
    used_at integer,
    constraint authorization_code_pkey primary key (code_hash)
) strict;

create index authorization_code_expires_at_idx on authorization_code (expires_at);
