//! The page, as it was built in.

/// A file of the page: its path, its type, and what is in it.
pub struct File {
    /// The path, as in the address.
    pub path: &'static str,
    /// Its type.
    pub content_type: &'static str,
    /// What is in it.
    pub content: &'static str,
}

/// All files that are served.
pub const FILES: [File; 5] = [
    File { path: "/", content_type: "text/html; charset=utf-8", content: include_str!("../page/index.html") },
    File {
        path: "/index.html",
        content_type: "text/html; charset=utf-8",
        content: include_str!("../page/index.html"),
    },
    File {
        path: "/app.js",
        content_type: "text/javascript; charset=utf-8",
        content: include_str!("../page/app.js"),
    },
    File {
        path: "/worklet.js",
        content_type: "text/javascript; charset=utf-8",
        content: include_str!("../page/worklet.js"),
    },
    File {
        path: "/style.css",
        content_type: "text/css; charset=utf-8",
        content: include_str!("../page/style.css"),
    },
];

/// What the page may load and connect to: the gateway, and nothing else.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; worker-src 'self' blob:; style-src 'self'; \
                          img-src 'self' data:; media-src 'self' blob:; connect-src 'self'; base-uri 'none'; \
                          form-action 'none'; frame-ancestors 'none'";
