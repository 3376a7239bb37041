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

macro_rules! file {
    ($path:literal, $content_type:expr) => {
        file!($path, $content_type, $path)
    };
    ($path:literal, $content_type:expr, $file:literal) => {
        File { path: $path, content_type: $content_type, content: include_str!(concat!("../page", $file)) }
    };
}

const HTML: &str = "text/html; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// All files that are served.
pub const FILES: [File; 19] = [
    file!("/", HTML, "/index.html"),
    file!("/index.html", HTML),
    file!("/style.css", CSS),
    file!("/icon.svg", SVG),
    file!("/app.js", JAVASCRIPT),
    file!("/downloads.js", JAVASCRIPT),
    file!("/latency.js", JAVASCRIPT),
    file!("/ledger.js", JAVASCRIPT),
    file!("/link.js", JAVASCRIPT),
    file!("/microphone.js", JAVASCRIPT),
    file!("/notices.js", JAVASCRIPT),
    file!("/resampler.js", JAVASCRIPT),
    file!("/session.js", JAVASCRIPT),
    file!("/soundfile.js", JAVASCRIPT),
    file!("/timeline.js", JAVASCRIPT),
    file!("/utterances.js", JAVASCRIPT),
    file!("/wave.js", JAVASCRIPT),
    file!("/weights.js", JAVASCRIPT),
    file!("/worklet.js", JAVASCRIPT),
];

/// What the page may load and connect to: the gateway, and nothing else.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; worker-src 'self' blob:; style-src 'self'; \
                          img-src 'self' data:; media-src 'self' blob:; connect-src 'self'; base-uri 'none'; \
                          form-action 'none'; frame-ancestors 'none'";
