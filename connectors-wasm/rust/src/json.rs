//! JSON as RFC 8259 has it.

use std::ops::Index;

/// How deep values may be nested.
const MAX_DEPTH: usize = 64;

/// A JSON value. A number stays as it is written.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(String),
    String(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

static NULL: Json = Json::Null;

impl Default for Json {
    fn default() -> Json {
        Json::Null
    }
}

impl Json {
    /// Reads a document. It returns nothing if that is not JSON, not UTF-8, or nested too deep.
    pub fn parse(document: &[u8]) -> Option<Json> {
        let mut r = Reader { text: std::str::from_utf8(document).ok()?, at: 0, depth: 0 };
        r.blank();
        let value = r.value()?;
        r.blank();
        (r.at == document.len()).then(|| value)
    }

    /// Makes an object.
    pub fn object<const N: usize>(members: [(&str, Json); N]) -> Json {
        Json::Object(members.into_iter().map(|(name, value)| (name.to_string(), value)).collect())
    }

    /// Returns the member of an object, and null if there is none. The last member of a name counts.
    pub fn get(&self, name: &str) -> &Json {
        match self {
            Json::Object(members) => members.iter().rev().find(|(n, _)| n == name).map_or(&NULL, |(_, value)| value),
            _ => &NULL,
        }
    }

    /// Returns the text of a string, and "" for anything else.
    pub fn text(&self) -> &str {
        match self {
            Json::String(text) => text,
            _ => "",
        }
    }

    /// Returns the text of a string or a number, and "" for anything else.
    pub fn scalar(&self) -> &str {
        match self {
            Json::Number(text) => text,
            _ => self.text(),
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Json::Null)
    }

    /// Writes the value.
    pub fn write(&self, to: &mut String) {
        match self {
            Json::Null => to.push_str("null"),
            Json::Bool(value) => to.push_str(if *value { "true" } else { "false" }),
            Json::Number(text) => to.push_str(text),
            Json::String(text) => write_string(to, text),
            Json::Array(values) => {
                to.push('[');
                for value in values {
                    between(to);
                    value.write(to);
                }
                to.push(']');
            }
            Json::Object(members) => {
                to.push('{');
                for (name, value) in members {
                    write_name(to, name);
                    value.write(to);
                }
                to.push('}');
            }
        }
    }
}

impl Index<&str> for Json {
    type Output = Json;

    /// `me["timezone"]["name"]`: see [`Json::get`].
    fn index(&self, name: &str) -> &Json {
        self.get(name)
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Json {
        Json::String(text.to_string())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Json {
        Json::String(text)
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Json {
        Json::Bool(value)
    }
}

impl From<i64> for Json {
    fn from(number: i64) -> Json {
        Json::Number(number.to_string())
    }
}

/// Writes a comma, unless an object or an array has just begun.
pub(crate) fn between(to: &mut String) {
    if !matches!(to.as_bytes().last(), Some(b'{' | b'[')) {
        to.push(',');
    }
}

pub(crate) fn write_name(to: &mut String, name: &str) {
    between(to);
    write_string(to, name);
    to.push(':');
}

pub(crate) fn write_string(to: &mut String, text: &str) {
    to.reserve(text.len() + 2);
    to.push('"');
    let bytes = text.as_bytes();
    let mut from = 0;
    loop {
        let at = plain(bytes, from);
        to.push_str(&text[from..at]);
        from = at + 1;
        let c = match bytes.get(at) {
            Some(c) => *c,
            None => break,
        };
        to.push('\\');
        if c >= 0x20 {
            to.push(c as char);
        } else {
            const DIGITS: &[u8; 16] = b"0123456789abcdef";
            to.push_str("u00");
            to.push(DIGITS[(c >> 4) as usize] as char);
            to.push(DIGITS[(c & 15) as usize] as char);
        }
    }
    to.push('"');
}

/// Returns where the first byte from `at` on is that a string cannot have as it is. It looks at eight bytes at once: the lowest bit that is
/// set in `odd` is in the first such byte.
fn plain(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101010101010101;
    while let Some(eight) = bytes.get(at..at + 8) {
        let mut copy = [0; 8];
        copy.copy_from_slice(eight);
        let x = u64::from_le_bytes(copy);
        let quote = x ^ (ONES * b'"' as u64);
        let backslash = x ^ (ONES * b'\\' as u64);
        let below = |v: u64, n: u64| v.wrapping_sub(ONES * n) & !v;
        let odd = (below(x, 0x20) | below(quote, 1) | below(backslash, 1)) & (ONES << 7);
        if odd != 0 {
            return at + odd.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = &bytes[at.min(bytes.len())..];
    at + rest.iter().position(|&c| c < 0x20 || c == b'"' || c == b'\\').unwrap_or(rest.len())
}

/// Decodes the text of a string.
fn unescape(text: &str) -> Option<String> {
    let mut decoded = String::with_capacity(text.len());
    let mut at = 0;
    loop {
        let end = plain(text.as_bytes(), at);
        decoded.push_str(&text[at..end]);
        at = end + 2;
        decoded.push(match text.as_bytes().get(end + 1) {
            None if end == text.len() => return Some(decoded),
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let first = hex4(text, &mut at)?;
                let mut after = at + 2;
                if first >> 10 == 0x36 && text[at..].starts_with("\\u") {
                    let second = hex4(text, &mut after)?;
                    if second >> 10 == 0x37 {
                        at = after;
                        decoded.push(char::from_u32(0x10000 + ((first & 0x3ff) << 10) + (second & 0x3ff))?);
                        continue;
                    }
                }
                char::from_u32(first).unwrap_or('\u{fffd}') // half of a surrogate pair
            }
            _ => return None,
        });
    }
}

fn hex4(text: &str, at: &mut usize) -> Option<u32> {
    let digits = text.as_bytes().get(*at..*at + 4)?;
    *at += 4;
    digits.iter().try_fold(0, |n, &c| Some(n << 4 | (c as char).to_digit(16)?))
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn next_is(&mut self, c: u8) -> bool {
        let is = self.peek() == Some(c);
        self.at += is as usize;
        is
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn word(&mut self, word: &str, value: Json) -> Option<Json> {
        self.text[self.at..].starts_with(word).then(|| {
            self.at += word.len();
            value
        })
    }

    fn value(&mut self) -> Option<Json> {
        match self.peek()? {
            b'{' => {
                let mut members = Vec::new();
                self.list(b'}', |r| {
                    if r.peek()? != b'"' {
                        return None;
                    }
                    let name = r.string()?;
                    r.blank();
                    if !r.next_is(b':') {
                        return None;
                    }
                    r.blank();
                    members.push((name, r.value()?));
                    Some(())
                })?;
                Some(Json::Object(members))
            }
            b'[' => {
                let mut values = Vec::new();
                self.list(b']', |r| {
                    values.push(r.value()?);
                    Some(())
                })?;
                Some(Json::Array(values))
            }
            b'"' => self.string().map(Json::String),
            b't' => self.word("true", Json::Bool(true)),
            b'f' => self.word("false", Json::Bool(false)),
            b'n' => self.word("null", Json::Null),
            _ => self.number(),
        }
    }

    /// Reads an object or an array, one member after the other.
    fn list(&mut self, close: u8, mut member: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.at += 1;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        self.blank();
        if !self.next_is(close) {
            loop {
                self.blank();
                member(self)?;
                self.blank();
                if !self.next_is(b',') {
                    break;
                }
            }
            if !self.next_is(close) {
                return None;
            }
        }
        self.depth -= 1;
        Some(())
    }

    fn string(&mut self) -> Option<String> {
        let bytes = self.text.as_bytes();
        let from = self.at + 1;
        let mut at = from;
        let mut escaped = false;
        loop {
            at = plain(bytes, at);
            match bytes.get(at)? {
                b'"' => break,
                b'\\' => at += 2,
                _ => return None,
            }
            escaped = true;
        }
        self.at = at + 1;
        let text = &self.text[from..at];
        if escaped {
            unescape(text)
        } else {
            Some(text.to_string())
        }
    }

    fn number(&mut self) -> Option<Json> {
        let from = self.at;
        self.next_is(b'-');
        if !self.next_is(b'0') {
            self.digits()?;
        }
        if self.next_is(b'.') {
            self.digits()?;
        }
        if self.next_is(b'e') || self.next_is(b'E') {
            let _ = self.next_is(b'+') || self.next_is(b'-');
            self.digits()?;
        }
        Some(Json::Number(self.text[from..self.at].to_string()))
    }

    fn digits(&mut self) -> Option<()> {
        let from = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        (self.at > from).then(|| ())
    }
}
