//! Who may come in.

use subtle::ConstantTimeEq;

/// Who may come in: pages of these origins, and clients with the token.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Origins beside the gateway's own, as `https://speech.example.org`.
    pub origins: Vec<String>,
    /// The token, if one is needed.
    pub token: Option<String>,
}

/// The prefix of the subprotocol that carries a token: browsers cannot send headers of their own with a WebSocket.
const BEARER: &str = "bearer.";

impl Access {
    /// Whether a page of `origin` may use the gateway that the client knows as `host`. Clients that are no browsers send
    /// no origin.
    ///
    /// A page may if it came from here. Without a token the name must then be `localhost` or an address: a foreign name
    /// can be made to point here while a page of it is open (DNS rebinding).
    pub fn allows_origin(&self, origin: Option<&str>, host: Option<&str>) -> bool {
        let Some(origin) = origin else { return true };
        if self.origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin)) {
            return true;
        }
        let (Some((_, authority)), Some(host)) = (origin.split_once("://"), host) else { return false };
        authority.eq_ignore_ascii_case(host) && (self.token.is_some() || is_local_or_address(host))
    }

    /// Whether what the client knows as `host` may be the gateway: without a token not under a name that nobody named. A
    /// browser says no origin when a page reads from the host that it came from.
    pub fn allows_host(&self, host: Option<&str>) -> bool {
        let is_of = |origin: &String, host: &str| {
            origin.split_once("://").is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host))
        };
        let named = |host: &str| self.origins.iter().any(|origin| is_of(origin, host));
        self.token.is_some() || host.is_some_and(|host| is_local_or_address(host) || named(host))
    }

    /// Whether a request has the token, if one is needed.
    pub fn allows(&self, authorization: Option<&str>, protocols: Option<&str>) -> bool {
        let Some(token) = &self.token else { return true };
        let bearer = authorization.and_then(|value| {
            let (scheme, value) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| value.trim())
        });
        let offered = protocols.into_iter().flat_map(offers).filter_map(|offer| offer.strip_prefix(BEARER));
        let mut allowed = false;
        for candidate in bearer.into_iter().chain(offered) {
            allowed |= bool::from(candidate.as_bytes().ct_eq(token.as_bytes()));
        }
        allowed
    }
}

/// An origin, as browsers send it: scheme, host and port, nothing behind them, and no port that the scheme implies.
///
/// # Errors
///
/// It is none that a browser sends for a page, or `null`, which any page can have: says what to write.
pub(crate) fn origin(text: &str) -> Result<String, String> {
    let no_origin = |host: &str| {
        format!(
            "`{text}` is no origin: write SCHEME://HOST or SCHEME://HOST:PORT, as `https://speech.example.org`{host}"
        )
    };
    let trimmed = text.strip_suffix('/').unwrap_or(text);
    let of_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let (scheme, authority) = trimmed
        .split_once("://")
        .filter(|(scheme, _)| !scheme.is_empty() && scheme.bytes().all(of_scheme))
        .ok_or_else(|| no_origin(""))?;
    let (host, port) = match authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    if !is_host(host) {
        return Err(no_origin(", with HOST a name in ASCII (punycode) or an address in its short form"));
    }
    if !port.is_none_or(is_port) {
        return Err(no_origin(""));
    }
    let implied = match scheme.to_ascii_lowercase().as_str() {
        "http" => ":80",
        "https" => ":443",
        socket @ ("ws" | "wss") => {
            let page = socket.replace("ws", "http");
            return Err(format!(
                "`{text}` is a WebSocket's address and no page's origin: write `{page}://{authority}`"
            ));
        }
        _ => "",
    };
    Ok(format!("{scheme}://{}", authority.strip_suffix(implied).unwrap_or(authority)))
}

/// A name in ASCII or an address, as browsers send them.
fn is_host(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => {
            address.parse::<std::net::Ipv6Addr>().is_ok_and(|parsed| parsed.to_string() == address)
        }
        None => {
            let of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            !host.is_empty() && host.bytes().all(of_name)
        }
    }
}

fn is_port(port: &str) -> bool {
    port.bytes().all(|byte| byte.is_ascii_digit()) && !port.starts_with('0') && port.parse::<u16>().is_ok()
}

/// The subprotocols that a client offers.
pub fn offers(protocols: &str) -> impl Iterator<Item = &str> {
    protocols.split(',').map(str::trim).filter(|offer| !offer.is_empty())
}

/// Whether a client speaks the protocol: it offers it, or offers nothing at all. To one that offers other things alone, a
/// token for example, no answer would be right: it would close the connection because the server chose none of them.
pub fn speaks(protocols: Option<&str>, protocol: &str) -> bool {
    protocols.is_none_or(|protocols| offers(protocols).any(|offer| offer == protocol))
}

fn is_local_or_address(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => {
            return rest.split(']').next().is_some_and(|name| name.parse::<std::net::Ipv6Addr>().is_ok());
        }
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::Ipv4Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_from_here_may_and_others_must_be_named() {
        let access = Access { origins: vec!["https://speech.example.org".to_owned()], token: None };
        let may = |origin, host| access.allows_origin(Some(origin), Some(host));
        assert!(access.allows_origin(None, Some("anything")));
        assert!(
            may("http://127.0.0.1:8765", "127.0.0.1:8765") && may("http://localhost:8765", "localhost:8765")
        );
        assert!(may("http://[::1]:8765", "[::1]:8765") && may("https://speech.example.org", "inner:80"));
        assert!(!may("http://evil.example", "127.0.0.1:8765") && !may("null", "127.0.0.1:8765"));
        assert!(
            !may("http://localhost:80", "localhost:8765") && !may("https://speech.example.org.evil", "inner")
        );
        assert!(!may("http://evil.example:8765", "evil.example:8765"), "DNS rebinding");
        assert!(!may("http://speech.example.org", "speech.example.org"), "another origin by its scheme");
        assert!(access.allows_host(Some("127.0.0.1:8765")) && access.allows_host(Some("speech.example.org")));
        assert!(!access.allows_host(Some("evil.example:8765")) && !access.allows_host(None));
        let with_token = Access { token: Some("t".to_owned()), ..Access::default() };
        assert!(with_token.allows_host(Some("box.lan:8765")));
        assert!(with_token.allows_origin(Some("http://box.lan:8765"), Some("box.lan:8765")));
    }

    #[test]
    fn an_origin_is_as_browsers_send_it() {
        for (text, expected) in [
            ("https://speech.example.org", "https://speech.example.org"),
            ("https://speech.example.org/", "https://speech.example.org"),
            ("https://speech.example.org:443/", "https://speech.example.org"),
            ("HTTP://Box.lan:80", "HTTP://Box.lan"),
            ("http://box_1.lan:8765", "http://box_1.lan:8765"),
            ("https://box.lan:80", "https://box.lan:80"),
            ("http://[::1]:8765", "http://[::1]:8765"),
            ("http://[::1]", "http://[::1]"),
            ("chrome-extension://abcdef", "chrome-extension://abcdef"),
        ] {
            assert_eq!(origin(text).as_deref(), Ok(expected));
        }
        for text in [
            "speech.example.org",
            "speech.example.org:443",
            "https://",
            "://speech.example.org",
            "https:speech.example.org",
            "https://speech.example.org//",
            "https://speech.example.org/page",
            "https://speech.example.org?",
            "https://me@speech.example.org",
            "https://speech.example.org:",
            "https://speech.example.org:99999",
            "https://*.example.org",
            "https://bücher.example",
            "https://[::1",
            "http://[0:0:0:0:0:0:0:1]:8765",
            "https://speech.example.org:0443",
            "http://speech.example.org:+80",
            "https://::1",
            "*",
            "null",
            "",
        ] {
            let error = origin(text).unwrap_err();
            assert!(error.contains(&format!("`{text}`")) && error.contains("SCHEME://HOST"), "{error}");
        }
        for text in ["https://bücher.example", "http://[0:0:0:0:0:0:0:1]:8765"] {
            let error = origin(text).unwrap_err();
            assert!(error.contains("punycode") && error.contains("short form"), "{error}");
        }
        for (text, instead) in [
            ("wss://speech.example.org/", "`https://speech.example.org`"),
            ("WS://box.lan:8765", "`http://box.lan:8765`"),
        ] {
            let error = origin(text).unwrap_err();
            assert!(error.contains(&format!("`{text}`")) && error.ends_with(instead), "{error}");
        }
    }

    #[test]
    fn the_token_comes_in_a_header_or_a_subprotocol() {
        let open = Access::default();
        assert!(open.allows(None, None));
        let access = Access { token: Some("secret".to_owned()), ..Access::default() };
        assert!(access.allows(Some("Bearer secret"), None) && access.allows(Some("bearer secret"), None));
        assert!(access.allows(None, Some("undertone.v1, bearer.secret")));
        assert!(!access.allows(None, None) && !access.allows(Some("Bearer secre"), None));
        assert!(!access.allows(Some("Basic secret"), None) && !access.allows(None, Some("secret, bearer.")));
    }

    #[test]
    fn subprotocols_are_offered() {
        assert!(speaks(None, "undertone.v1") && !speaks(Some("bearer.x"), "undertone.v1"));
        assert!(speaks(Some("other, undertone.v1"), "undertone.v1"));
        assert!(!speaks(Some("undertone.v2, bearer.x"), "undertone.v1"));
    }
}
