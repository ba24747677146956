//! The imports of ABI.md, and what an export needs. The server copies bytes at once and keeps no pointer.

use crate::documents::{Document, Member, Texts};
use crate::json::{write_name, write_string, Json};

mod imports {
    #[link(wasm_import_module = "crmgate_v1")]
    extern "C" {
        pub fn input(at: *mut u8, capacity: usize) -> usize;
        pub fn output(at: *const u8, size: usize);
        pub fn fetch(at: *const u8, size: usize) -> usize;
        pub fn config(at: *const u8, size: usize) -> isize;
        pub fn derive(at: *const u8, size: usize) -> isize;
        pub fn take(at: *mut u8, capacity: usize) -> usize;
        pub fn log(level: i32, at: *const u8, size: usize);
        pub fn now() -> i64;
        pub fn random(at: *mut u8, size: usize);
    }
}

/// Why an operation has no answer.
#[derive(Clone, Debug)]
pub enum Error {
    /// The server does the standard thing.
    Unsupported,
    /// The operation has failed.
    ///
    /// The person may see the message, so it must not contain a secret. `status` is the CRM's HTTP status, or 0, and `code` its OAuth error
    /// code, or "". In checkAndRefreshAccessToken the code decides: after invalid_grant the person must sign in again, invalid_client and
    /// unauthorized_client pause the application, and after any other the server tries again later.
    Failed { message: String, status: u16, code: String },
}

/// What the function of an operation returns.
pub type Result<T> = std::result::Result<T, Error>;

impl From<&str> for Error {
    fn from(message: &str) -> Error {
        message.to_string().into()
    }
}

impl From<String> for Error {
    fn from(message: String) -> Error {
        Error::Failed { message, status: 0, code: String::new() }
    }
}

impl From<FetchError> for Error {
    fn from(e: FetchError) -> Error {
        e.message.into()
    }
}

/// Runs an operation: reads the request, calls the function and writes its answer. Returns the result of the export.
pub(crate) fn answer<In: Document, Out: Document>(function: fn(In) -> Result<Out>) -> i32 {
    std::panic::set_hook(Box::new(|panic| log(Level::Error, &panic.to_string())));
    let done = Json::parse(&input()).ok_or_else(|| "the input is not JSON, or nested too deep".to_string());
    match done.and_then(|v| In::read(&v)).map_err(Error::from).and_then(function) {
        Ok(answer) => {
            let mut text = String::with_capacity(512);
            answer.write(&mut text);
            output(&text);
            0
        }
        Err(Error::Unsupported) => 2,
        Err(Error::Failed { message, status, code }) => {
            let message = if message.is_empty() { "the connector gave no reason".to_string() } else { message };
            let mut members = vec![("message".to_string(), Json::String(message))];
            if status != 0 {
                members.push(("status".to_string(), (status as i64).into()));
            }
            if !code.is_empty() {
                members.push(("code".to_string(), code.into()));
            }
            let mut text = String::new();
            Json::Object(members).write(&mut text);
            output(&text);
            1
        }
    }
}

fn input() -> Vec<u8> {
    let mut bytes = vec![0; 2048]; // most requests fit
    let size = unsafe { imports::input(bytes.as_mut_ptr(), bytes.len()) };
    let fits = size <= bytes.len();
    bytes.resize(size, 0);
    if !fits {
        unsafe { imports::input(bytes.as_mut_ptr(), size) };
    }
    bytes
}

fn output(text: &str) {
    unsafe { imports::output(text.as_ptr(), text.len()) }
}

fn taken(size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    unsafe { imports::take(bytes.as_mut_ptr(), size) };
    bytes
}

/// The pending answer as a text. It is none if there is none, or an empty one.
fn taken_text(size: isize) -> Option<String> {
    if size > 0 {
        String::from_utf8(taken(size as usize)).ok()
    } else {
        None
    }
}

/// An HTTP request. The manifest must allow the host of its URL.
#[derive(Clone, Default)]
pub struct Request {
    pub method: String,
    pub url: String,
    pub headers: Texts,
    pub body: Vec<u8>,
    /// Can only shorten the rest of the call's time. 0 leaves it unchanged.
    pub timeout_ms: u32,
    /// "manual" makes a redirect the answer.
    pub redirect: String,
}

impl Request {
    /// Begins a request.
    pub fn new(method: &str, url: &str) -> Request {
        Request { method: method.to_string(), url: url.to_string(), ..Default::default() }
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Request {
        self.headers.push((name.to_string(), value.to_string()));
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Request {
        self.body = body.into();
        self
    }

    fn write(&self) -> String {
        let mut to = String::with_capacity(512 + self.body.len());
        to.push('{');
        let mut text = |name: &str, value: &str| {
            if !value.is_empty() {
                write_name(&mut to, name);
                write_string(&mut to, value);
            }
        };
        text("method", &self.method);
        text("url", &self.url);
        text("redirect", &self.redirect);
        match std::str::from_utf8(&self.body) {
            Ok(body) => text("body", body),
            Err(_) => text("bodyBase64", &encode_base64(&self.body)),
        }
        if self.timeout_ms != 0 {
            write_name(&mut to, "timeoutMs");
            to.push_str(&self.timeout_ms.to_string());
        }
        write_name(&mut to, "headers");
        self.headers.write(&mut to);
        to.push('}');
        to
    }
}

/// Why there is no answer.
#[derive(Clone, Debug)]
pub struct FetchError {
    /// "request", "refused", "timeout", "connect" or "size".
    pub kind: String,
    pub message: String,
}

/// An answer of the CRM, with any status.
#[derive(Clone)]
pub struct Response {
    pub status: u16,
    /// Names are in lower case.
    pub headers: Texts,
    pub body: Vec<u8>,
}

impl Response {
    /// Returns the value of a header by its name in lower case, "" if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    /// Reports whether the status is 2xx.
    pub fn ok(&self) -> bool {
        self.status / 100 == 2
    }

    /// Returns the body as JSON. It is an error if the status is not 2xx, or the body is not JSON.
    pub fn json(&self) -> Result<Json> {
        if !self.ok() {
            return Err(self.error());
        }
        Json::parse(&self.body).ok_or_else(|| "the CRM's answer is not the JSON that was expected".into())
    }

    /// Returns the error of an operation that failed because of the CRM's status.
    pub fn error(&self) -> Error {
        Error::Failed { message: format!("Request failed with status code {}", self.status), status: self.status, code: String::new() }
    }
}

/// Sends an HTTP request. An answer with any status is an answer.
pub fn fetch(request: &Request) -> std::result::Result<Response, FetchError> {
    let text = request.write();
    let lost = || FetchError { kind: "connect".to_string(), message: "the server's answer to fetch is not the JSON that was expected".to_string() };
    let mut answer = Json::parse(&taken(unsafe { imports::fetch(text.as_ptr(), text.len()) })).ok_or_else(lost)?;
    let error = &answer["error"];
    if !error.is_null() {
        return Err(FetchError { kind: error["kind"].text().to_string(), message: error["message"].text().to_string() });
    }
    let mut r = Response { status: answer["status"].scalar().parse().map_err(|_| lost())?, headers: Texts::new(), body: Vec::new() };
    if let Json::Object(members) = &mut answer {
        for (name, value) in members.drain(..) {
            match (name.as_str(), value) {
                ("body", Json::String(text)) => r.body = text.into_bytes(),
                ("bodyBase64", Json::String(text)) => r.body = decode_base64(&text),
                ("headers", Json::Object(headers)) => r.headers = headers.into_iter().map(|(name, value)| (name, value.text().to_string())).collect(),
                _ => {}
            }
        }
    }
    Ok(r)
}

/// Fetches a URL with the header Authorization.
pub fn get(url: &str, auth_header: &str) -> std::result::Result<Response, FetchError> {
    fetch(&Request::new("GET", url).header("Authorization", auth_header).header("Accept", "application/json"))
}

/// Returns a configuration value. It is none if the manifest does not declare it, the operator has not set it, or it is empty.
pub fn config(name: &str) -> Option<String> {
    taken_text(unsafe { imports::config(name.as_ptr(), name.len()) })
}

/// Has the server compute a value from handles, and returns the handle of the value: none if the request has no handle.
fn derive(request: Json) -> Option<String> {
    let mut text = String::new();
    request.write(&mut text);
    taken_text(unsafe { imports::derive(text.as_ptr(), text.len()) })
}

/// Returns the base64 of a text, as a handle if the text has one.
pub fn base64(text: &str) -> String {
    derive(Json::object([("base64", text.into())])).unwrap_or_else(|| encode_base64(text.as_bytes()))
}

/// Returns the credentials of a header Basic, after "Basic ". Both may be or contain handles.
pub fn basic(user: &str, password: &str) -> String {
    base64(&format!("{}:{}", user, password))
}

/// Has the server compute the HMAC-SHA-256 of a message with a key, of which at least one has a handle. `encoding` is "hex" or "base64". It
/// returns the handle of the value, and none if there is no handle.
pub fn hmac(key: &str, message: &str, encoding: &str) -> Option<String> {
    derive(Json::object([("hmac", "sha256".into()), ("key", key.into()), ("message", message.into()), ("encoding", encoding.into())]))
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Returns the base64 of bytes.
pub fn encode_base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity((bytes.len() + 2) / 3 * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0u32, |bits, &b| bits << 8 | b as u32) << (24 - 8 * chunk.len());
        for i in 0..4 {
            text.push(if i <= chunk.len() { ALPHABET[(bits >> (18 - 6 * i) & 63) as usize] as char } else { '=' });
        }
    }
    text
}

/// Reads the base64 of the server, which is well-formed.
fn decode_base64(text: &str) -> Vec<u8> {
    let mut digits = [0u8; 256];
    for (i, &c) in ALPHABET.iter().enumerate() {
        digits[c as usize] = i as u8;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for chunk in text.trim_end_matches('=').as_bytes().chunks(4) {
        let bits = chunk.iter().fold(0u32, |bits, &c| bits << 6 | digits[c as usize] as u32) << (24 - 6 * chunk.len());
        bytes.extend_from_slice(&bits.to_be_bytes()[1..chunk.len()]);
    }
    bytes
}

/// Encodes a text for a query or a form.
pub fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for &b in text.as_bytes() {
        match b {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'~' => encoded.push(b as char),
            _ => encoded.push_str(&format!("%{:02X}", b)),
        }
    }
    encoded
}

/// The severity of a line of the log.
#[derive(Clone, Copy)]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// Writes a line to the server's log. It must not contain a secret.
pub fn log(level: Level, line: &str) {
    unsafe { imports::log(level as i32, line.as_ptr(), line.len()) }
}

/// Returns Unix time in milliseconds.
pub fn now() -> i64 {
    unsafe { imports::now() }
}

/// Fills bytes with random ones that are fit for keys.
pub fn random(bytes: &mut [u8]) {
    for part in bytes.chunks_mut(64 << 10) {
        unsafe { imports::random(part.as_mut_ptr(), part.len()) }
    }
}
