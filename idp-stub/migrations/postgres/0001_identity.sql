-- Times are microseconds since 1970, UTC. Secrets of high entropy are SHA-256 hashes.
create table signing_key (
    generation bigint not null,
    kid text not null,
    pkcs8 bytea not null,
    created_at bigint not null,
    constraint signing_key_pkey primary key (generation)
);

create table user_account (
    user_name text not null,
    password_hash text,
    constraint user_account_pkey primary key (user_name)
);

create table client (
    client_id text not null,
    secret_hash bytea,
    scopes text not null,
    redirect_uris text not null,
    may_impersonate boolean not null,
    constraint client_pkey primary key (client_id)
);

create table session (
    session_id uuid not null,
    user_name text not null,
    client_id text,
    scopes text not null,
    signed_in_at bigint not null,
    refreshed_at bigint not null,
    revoked_at bigint,
    constraint session_pkey primary key (session_id)
);

create table refresh_token (
    token_hash bytea not null,
    session_id uuid not null,
    expires_at bigint not null,
    used_at bigint,
    constraint refresh_token_pkey primary key (token_hash)
);

create index refresh_token_session_idx on refresh_token (session_id);

create index refresh_token_expires_at_idx on refresh_token (expires_at);

create table authorization_code (
    code_hash bytea not null,
    client_id text not null,
    redirect_uri text not null,
    user_name text not null,
    scopes text not null,
    challenge text not null,
    nonce text,
    session_id uuid not null,
    signed_in_at bigint not null,
    expires_at bigint not null,
    used_at bigint,
    constraint authorization_code_pkey primary key (code_hash)
);

create index authorization_code_expires_at_idx on authorization_code (expires_at);
