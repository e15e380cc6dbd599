//! The users and clients that a file brings along.

use std::collections::HashSet;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{
    Passwords, PasswordsError, Policy,
    passwords::{MAX_SECRET_BYTES, is_acceptable_hash},
};
use crate::{
    domain::{Client, ClientId, Scopes, SecretHash, User, Username},
    store::{IdpStore, StoreError},
};

/// The seed for development, whose passwords everybody knows.
const DEVELOPMENT: &str = include_str!("../../data/dev-seed.toml");

/// Users of a seed, at most: each costs a password hash at every start.
const MAX_USERS: usize = 1000;

/// Clients of a seed, at most.
const MAX_CLIENTS: usize = 1000;

/// Why a seed was refused.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// It is not the TOML that is wanted. Only the place is shown: the line may hold a password.
    #[error("the seed is not valid{}: {problem}", line.map(|n| format!(" at line {n}")).unwrap_or_default())]
    Syntax {
        /// The line, from 1.
        line: Option<usize>,
        /// What is wrong.
        problem: String,
    },
    /// A user or client in it is wrong.
    #[error("the seed's {entry} is wrong: {problem}")]
    Entry {
        /// Which.
        entry: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A password could not be hashed.
    #[error("a password of the seed failed")]
    Passwords(#[from] PasswordsError),
    /// The store gave no answer.
    #[error("the seed could not be stored")]
    Store(#[from] StoreError),
}

/// Users and clients, checked. Storing it makes or replaces those that it names; nobody is removed.
#[derive(Debug)]
pub struct Seed {
    users: Vec<(Username, Password)>,
    clients: Vec<Client>,
}

#[derive(Debug)]
enum Password {
    Plain(SecretString),
    Hash(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    user: Vec<UserEntry>,
    #[serde(default)]
    client: Vec<ClientEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserEntry {
    name: String,
    password: SecretString,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientEntry {
    id: String,
    secret: Option<SecretString>,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    redirect_uris: Vec<String>,
    #[serde(default)]
    may_impersonate: bool,
}

impl Seed {
    /// The built-in seed, for development only.
    ///
    /// # Errors
    /// [`SeedError`].
    pub fn development(policy: &Policy) -> Result<Self, SeedError> {
        Self::parse(DEVELOPMENT, policy)
    }

    /// Reads a seed.
    ///
    /// # Errors
    /// [`SeedError::Syntax`], [`SeedError::Entry`].
    pub fn parse(text: &str, policy: &Policy) -> Result<Self, SeedError> {
        let file: File = toml::from_str(text).map_err(|error| syntax(text, &error))?;
        let too_many = |entry: &str, limit| wrong(entry, format!("there may be {limit} at most"));
        if file.user.len() > MAX_USERS {
            return Err(too_many("list of users", MAX_USERS));
        }
        if file.client.len() > MAX_CLIENTS {
            return Err(too_many("list of clients", MAX_CLIENTS));
        }
        let users = file.user.into_iter().map(UserEntry::check).collect::<Result<Vec<_>, _>>()?;
        let clients = file.client.into_iter().map(|entry| entry.check(policy));
        let clients = clients.collect::<Result<Vec<_>, _>>()?;
        refuse_twins("user", users.iter().map(|(name, _)| name.as_str()))?;
        refuse_twins("client", clients.iter().map(|client| client.id.as_str()))?;
        Ok(Self { users, clients })
    }

    /// Stores the users and clients, with passwords hashed.
    ///
    /// # Errors
    /// [`SeedError::Passwords`], [`SeedError::Store`].
    pub async fn store(
        &self,
        store: &dyn IdpStore,
        passwords: &Passwords,
    ) -> Result<(), SeedError> {
        for (name, password) in &self.users {
            let hash = match password {
                Password::Plain(plain) => passwords.hash(plain)?,
                Password::Hash(hash) => hash.clone(),
            };
            let user = User { name: name.clone(), password_hash: Some(hash) };
            store.put_user(&user).await?;
        }
        for client in &self.clients {
            store.put_client(client).await?;
        }
        Ok(())
    }
}

impl UserEntry {
    fn check(self) -> Result<(Username, Password), SeedError> {
        let entry = format!("user {:?}", self.name);
        let name = self.name.parse().map_err(|error| wrong(&entry, format!("name {error}")))?;
        let text = self.password.expose_secret();
        if text.starts_with("$argon2") {
            if !is_acceptable_hash(text) {
                let problem = "password must be an argon2id PHC string of bearable cost";
                return Err(wrong(&entry, problem.to_owned()));
            }
            return Ok((name, Password::Hash(text.to_owned())));
        }
        if !(1..=MAX_SECRET_BYTES).contains(&text.len()) {
            let problem = format!("password must be 1 to {MAX_SECRET_BYTES} bytes");
            return Err(wrong(&entry, problem));
        }
        Ok((name, Password::Plain(self.password)))
    }
}

impl ClientEntry {
    fn check(self, policy: &Policy) -> Result<Client, SeedError> {
        let entry = format!("client {:?}", self.id);
        let wrong = |problem: String| wrong(&entry, problem);
        let id: ClientId = self.id.parse().map_err(|error| wrong(format!("id {error}")))?;
        // An ID token's audience is the client: it must not be taken for an access token.
        if [policy.user_audience.as_str(), &policy.service_audience].contains(&id.as_str()) {
            return Err(wrong("id must differ from the audiences of access tokens".to_owned()));
        }
        let secret = self.secret.as_ref().map(ExposeSecret::expose_secret);
        if secret.is_some_and(|secret| !(1..=MAX_SECRET_BYTES).contains(&secret.len())) {
            return Err(wrong(format!("secret must be 1 to {MAX_SECRET_BYTES} bytes")));
        }
        if secret.is_none() && (self.may_impersonate || !self.scopes.is_empty()) {
            let problem = "a client without secret can have neither scopes nor may_impersonate";
            return Err(wrong(problem.to_owned()));
        }
        let scopes = Scopes::from_names(self.scopes.iter().map(String::as_str));
        let uris = self
            .redirect_uris
            .iter()
            .map(|uri| uri.parse().map_err(|error| wrong(format!("redirect URI {uri:?} {error}"))));
        Ok(Client {
            id,
            secret_hash: secret.map(SecretHash::of),
            scopes: scopes.map_err(|error| wrong(format!("scopes {error}")))?,
            redirect_uris: uris.collect::<Result<_, _>>()?,
            may_impersonate: self.may_impersonate,
        })
    }
}

fn refuse_twins<'a>(kind: &str, mut names: impl Iterator<Item = &'a str>) -> Result<(), SeedError> {
    let mut seen = HashSet::new();
    match names.find(|name| !seen.insert(*name)) {
        Some(twin) => Err(wrong(&format!("{kind} {twin:?}"), "it stands there twice".to_owned())),
        None => Ok(()),
    }
}

fn wrong(entry: &str, problem: String) -> SeedError {
    SeedError::Entry { entry: entry.to_owned(), problem }
}

fn syntax(text: &str, error: &toml::de::Error) -> SeedError {
    let line =
        error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    SeedError::Syntax { line, problem: error.message().to_owned() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn policy() -> Policy {
        Policy {
            issuer: "http://issuer".into(),
            user_audience: "oxcart".into(),
            service_audience: "oxcart-internal".into(),
            access_token_ttl: Duration::from_mins(15),
            refresh_token_ttl: Duration::from_hours(720),
        }
    }

    #[test]
    fn the_development_seed_is_valid() {
        let seed = Seed::development(&policy()).unwrap();
        let names: Vec<_> = seed.users.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["alice", "bob", "demo"]);
        let ids: Vec<_> = seed.clients.iter().map(|client| client.id.as_str()).collect();
        assert_eq!(ids, ["controller", "admin", "loadgen", "browser"]);
    }

    #[test]
    fn a_wrong_seed_is_refused_by_entry_and_shows_no_secret() {
        for (text, wanted) in [
            ("[[user]]\nname = 'a'\npassword = 'hunter2\n", "line 3"),
            ("[[user]]\nname = 'a'\npasswort = 'hunter2'\n", "passwort"),
            ("[[user]]\nname = ''\npassword = 'hunter2'\n", "user \"\""),
            ("[[user]]\nname = 'a'\npassword = ''\n", "1 to 128 bytes"),
            ("[[user]]\nname = 'a'\npassword = '$argon2i$hunter2'\n", "argon2id"),
            ("[[client]]\nid = 'oxcart'\nsecret = 'hunter2'\n", "audiences"),
            ("[[client]]\nid = 'a'\nmay_impersonate = true\n", "without secret"),
            ("[[client]]\nid = 'a'\nsecret = 'hunter2'\nscopes = ['a b']\n", "scopes must"),
            ("[[client]]\nid = 'a'\nredirect_uris = ['/x']\n", "redirect URI"),
            ("[[client]]\nid = 'a'\n[[client]]\nid = 'a'\n", "twice"),
        ] {
            let error = Seed::parse(text, &policy()).unwrap_err();
            assert!(error.to_string().contains(wanted), "{text}: {error}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{text}: {error:?}");
        }
    }
}
