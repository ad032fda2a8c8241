//! What an ADO.NET connection string says, beyond what the driver takes from it
//! (<https://learn.microsoft.com/dotnet/api/microsoft.data.sqlclient.sqlconnection.connectionstring>).

use tiberius::Config;

use crate::ports::secrets::{Secret, SecretSource};
use crate::settings::SettingError;

/// What the server sees in its list of sessions when the string names nothing.
const APPLICATION: &str = "pravis-boutique-api";
/// The most connections that `Max Pool Size` may ask for.
const CONNECTIONS_MAX: u32 = 1000;

/// How this process makes itself known to the server.
pub(super) enum Login {
    /// With a password that is read anew for each connection.
    Password { user: String, password: PasswordFrom },
    /// With a token of Microsoft Entra ID.
    Token,
}

pub(super) enum PasswordFrom {
    String(Secret),
    Source(SecretSource),
}

/// A server, and how to log in to it.
pub(super) struct Target {
    /// Without a login.
    pub config: Config,
    pub login: Login,
    /// `Max Pool Size`.
    pub connections: Option<u32>,
}

impl Target {
    /// Reads the connection string that is the setting `name`. Its own password goes before `password`.
    ///
    /// # Errors
    /// What is wrong with the setting, without its text.
    pub(super) fn parse(name: &str, text: &Secret, password: Option<SecretSource>) -> Result<Self, SettingError> {
        let wrong = |problem: &str| SettingError::new(name, problem);
        let mut config = Config::from_ado_string(text.expose())
            .map_err(|_| wrong("expected an ADO.NET connection string: Name=Value pairs parted by semicolons"))?;
        let pairs = pairs(text.expose());
        let value = |names: &[&str]| {
            let named = |pair: &&(String, String)| names.contains(&pair.0.as_str());
            pairs.iter().rev().find(named).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
        };
        let server = value(&["server", "data source"]).ok_or_else(|| wrong("lacks Server=tcp:<name>,<port>"))?;
        if server.contains('\\') {
            return Err(wrong("a named instance is not supported: expected Server=tcp:<name>,<port>"));
        }
        if value(&["database", "initial catalog", "databasename"]).is_none() {
            return Err(wrong("lacks Database"));
        }
        if value(&["application name", "applicationname"]).is_none() {
            config.application_name(APPLICATION);
        }
        let connections = match value(&["max pool size"]).map(str::parse) {
            None => None,
            Some(Ok(most)) if (1..=CONNECTIONS_MAX).contains(&most) => Some(most),
            Some(_) => return Err(wrong("expected Max Pool Size between 1 and 1000")),
        };
        let user = value(&["uid", "username", "user", "user id"]);
        let own = value(&["password", "pwd"]).map(|own| PasswordFrom::String(Secret::new(own)));
        let entra =
            value(&["authentication"]).is_some_and(|method| method.to_ascii_lowercase().contains("active directory"));
        let login = match (user, own.or(password.map(PasswordFrom::Source))) {
            // The user of such a string names an identity, which the credential settings do.
            _ if entra => Login::Token,
            (Some(user), Some(password)) => Login::Password { user: user.to_owned(), password },
            (None, None) => Login::Token,
            (Some(_), None) => return Err(wrong("has a User ID but no Password: expected SQL_PASSWORD beside it")),
            (None, Some(_)) => return Err(wrong("lacks the User ID of the password")),
        };
        Ok(Self { config, login, connections })
    }
}

/// The pairs of a string that the driver takes, by its rules: names in lower case, values without their
/// quotes.
fn pairs(text: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|c: char| c == ';' || c.is_ascii_whitespace());
        let Some((name, after)) = rest.split_once('=') else { return pairs };
        let (value, after) = value(after.trim_ascii_start());
        pairs.push((name.trim_ascii().to_ascii_lowercase(), value));
        rest = after;
    }
}

/// A value, and what follows it.
fn value(text: &str) -> (String, &str) {
    let to_semicolon = |text: &str| text.find(';').unwrap_or(text.len());
    let close = match text.chars().next() {
        Some(quote @ ('\'' | '"')) => quote,
        Some('{') => '}',
        _ => {
            let end = to_semicolon(text);
            return (text[..end].trim_ascii_end().to_owned(), &text[end..]);
        }
    };
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        let doubled = close != '}' && chars.peek().is_some_and(|(_, next)| *next == close);
        match c == close {
            true if doubled => {
                value.push(c);
                chars.next();
            }
            true => {
                let after = &text[at + 1..];
                return (value, &after[to_semicolon(after)..]);
            }
            false => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Target, SettingError> {
        Target::parse("SQL_URL", &Secret::new(text), None)
    }

    #[test]
    fn values_lose_their_quotes() {
        let text = " Server = tcp:a,1 ;;Password='p;''=x' ; User Id=\"u\"\"\";Database={d;=}; Encrypt=true ";
        let expected = [
            ("server", "tcp:a,1"),
            ("password", "p;'=x"),
            ("user id", "u\""),
            ("database", "d;="),
            ("encrypt", "true"),
        ];
        assert_eq!(pairs(text), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn the_login_is_a_password_or_a_token() {
        let target =
            parse("Server=tcp:a.database.windows.net,1433;Database=d;User ID=u;Password=p;Max Pool Size=7").unwrap();
        assert!(matches!(target.login, Login::Password { user, .. } if user == "u"));
        assert_eq!((target.config.get_addr(), target.connections), ("a.database.windows.net:1433".to_owned(), Some(7)));
        assert!(matches!(parse("Server=a;Database=d").unwrap().login, Login::Token));
        let named = "Server=a;Database=d;Authentication=Active Directory Managed Identity;User Id=1234";
        assert!(matches!(parse(named).unwrap().login, Login::Token));
    }

    #[test]
    fn a_wrong_string_is_told_without_its_text() {
        for text in [
            "hunter2",
            "Server=a;Database=d;Password='hunter2",
            "Server=a;Database=d;User Id=u;Password=hunter2;Encrypt=perhaps",
            "Database=d;User Id=u;Password=hunter2",
            "Server=a;User Id=u;Password=hunter2",
            "Server=a\\instance;Database=d;User Id=u;Password=hunter2",
            "Server=tcp:a,port;Database=d;User Id=u;Password=hunter2",
            "Server=a;Database=d;User Id=hunter2",
            "Server=a;Database=d;Password=hunter2",
            "Server=a;Database=d;User Id=u;Password=hunter2;Max Pool Size=0",
            "Server=a;Database=d;User Id=u;Password=hünter2",
        ] {
            let error = parse(text).err().unwrap_or_else(|| panic!("{text} is taken"));
            assert_eq!(error.name, "SQL_URL");
            assert!(!format!("{error:?}").contains("nter2"), "{error:?}");
        }
    }
}
