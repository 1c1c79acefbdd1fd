//! Masks the parameters of a log line, so that lines of one event become equal text.
//!
//! Drain takes regular expressions for this from its user, another set for each kind of log. Here
//! one hand-written scanner serves all: it walks the bytes once, cuts tokens into segments at
//! punctuation, and writes [`WILDCARD`] for what looks like a value by its shape alone: numbers,
//! hexadecimal words, addresses, host names, paths, URLs, identifiers that end in digits, calendar
//! words beside a number, and a name after "for user" or "invalid user".

/// What stands in a masked line where a value stood.
pub const WILDCARD: &str = "<*>";

const SPACE: u8 = 1;
const DIGIT: u8 = 2;
const HEX_LETTER: u8 = 4;
const LETTER: u8 = 8;
const INNER: u8 = 16;
const WORD: u8 = DIGIT | HEX_LETTER | LETTER | INNER;

/// Class of each byte; whatever has no class is punctuation and ends a segment.
const CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c => SPACE,
            b'0'..=b'9' => DIGIT,
            b'a'..=b'f' | b'A'..=b'F' => HEX_LETTER,
            b'g'..=b'z' | b'G'..=b'Z' | b'_' | b'$' | 0x80..=0xff => LETTER,
            b'.' | b'-' => INNER,
            _ => 0,
        };
        byte += 1;
    }
    table
}

fn class(byte: u8) -> u8 {
    CLASS[usize::from(byte)]
}

/// Turns lines into masked lines; keeps its buffer between calls.
#[derive(Debug)]
pub struct Masker {
    out: Vec<u8>,
    max_bytes: usize,
}

impl Masker {
    /// `max_bytes`: length at which a masked line is cut (at the end of a token).
    pub fn new(max_bytes: usize) -> Self {
        Self { out: Vec::with_capacity(max_bytes.min(4096)), max_bytes }
    }

    /// Masks `content`; tokens in the answer are separated by single spaces. The answer is valid
    /// UTF-8 where `content` is, since text is copied in whole segments.
    pub fn mask(&mut self, content: &[u8]) -> &[u8] {
        self.out.clear();
        let mut at = 0;
        let mut previous_start = usize::MAX;
        let mut context = NameContext::default();
        while let Some((start, end)) = next_token(content, at) {
            if self.out.len() >= self.max_bytes {
                break;
            }
            let token = &content[start..end];
            let token_start = self.out.len();
            if context.names(token) {
                self.masked_name(token);
            } else if let Some(mark) = self.unit(token) {
                // The space after the number was its end.
                self.out.pop();
                self.out.extend_from_slice(mark);
                self.out.push(b' ');
                at = end;
                continue;
            } else if is_calendar_word(token) && before_number(content, end) {
                self.wildcard();
            } else {
                self.token(token);
            }
            self.close_token(previous_start, token_start);
            if self.out.len() > token_start {
                previous_start = token_start;
            }
            at = end;
        }
        if self.out.last() == Some(&b' ') {
            self.out.pop();
        }
        &self.out
    }

    /// Ends a token with a space, or drops it where it repeats a token with a wildcard: lists of
    /// values have any length.
    fn close_token(&mut self, previous_start: usize, token_start: usize) {
        if previous_start < token_start {
            let previous = &self.out[previous_start..token_start - 1];
            if previous == &self.out[token_start..] && contains_wildcard(previous) {
                self.out.truncate(token_start);
                return;
            }
        }
        self.out.push(b' ');
    }

    fn wildcard(&mut self) {
        // "1,2,3" and "a.b" with masked parts: one value.
        if self.out.ends_with(b"<*>,") {
            self.out.pop();
            return;
        }
        if !self.out.ends_with(b"<*>") {
            self.out.extend_from_slice(WILDCARD.as_bytes());
        }
    }

    /// `KB)` after a number: the same amount is written in many units. Gives what follows it.
    fn unit<'t>(&self, token: &'t [u8]) -> Option<&'t [u8]> {
        let letters = token.iter().take_while(|b| b.is_ascii_alphabetic()).count();
        let (unit, mark) = token.split_at(letters);
        let size = matches!(
            unit,
            b"B" | b"KB" | b"kB" | b"MB" | b"GB" | b"TB" | b"KiB" | b"MiB" | b"GiB" | b"TiB"
        );
        (size && self.out.ends_with(b"<*> ") && mark.len() <= 2).then_some(mark)
    }

    fn masked_name(&mut self, token: &[u8]) {
        let end = token.iter().rposition(|b| class(*b) & WORD != 0).map_or(0, |last| last + 1);
        self.wildcard();
        self.out.extend_from_slice(&token[end..]);
    }

    fn token(&mut self, token: &[u8]) {
        let mut at = 0;
        while at < token.len() {
            let byte = token[at];
            if class(byte) & WORD == 0 {
                match path_end(token, at) {
                    Some(end) => {
                        self.wildcard();
                        at = end;
                    }
                    None => {
                        self.out.push(byte);
                        at += 1;
                    }
                }
                continue;
            }
            if let Some(end) = special_end(token, at) {
                self.wildcard();
                at = end;
                continue;
            }
            let (end, seen) = segment_end(token, at);
            self.segment(&token[at..end], seen, token.get(end).copied());
            at = end;
        }
    }

    fn segment(&mut self, segment: &[u8], seen: u8, next: Option<u8>) {
        let hex = seen & LETTER == 0;
        if seen & DIGIT == 0 {
            let hex_word = hex && seen & INNER == 0 && segment.len() >= 8;
            if hex_word || (seen & INNER != 0 && is_host_name(segment)) {
                self.wildcard();
            } else {
                self.out.extend_from_slice(segment);
            }
            return;
        }
        let tail = segment.iter().rposition(|b| !matches!(b, b'.' | b'-')).map_or(0, |p| p + 1);
        let (body, rest) = segment.split_at(tail);
        match next {
            Some(b'(') if is_function_name(body) => self.out.extend_from_slice(body),
            Some(b'=') => self.digits_masked(body),
            _ if hex || is_prefixed_hex(body) => self.wildcard(),
            _ => self.mixed(body),
        }
        self.out.extend_from_slice(rest);
    }

    /// A segment of letters and digits: `blk_-17` keeps its prefix, `10ms` its unit, the rest is
    /// a value as a whole.
    fn mixed(&mut self, body: &[u8]) {
        let prefix = body.iter().take_while(|b| class(**b) & (LETTER | HEX_LETTER) != 0).count();
        let numeric = |part: &[u8]| part.iter().all(|b| class(*b) & (DIGIT | INNER) != 0);
        let start = body[prefix..].iter().take_while(|b| class(**b) == INNER).count() + prefix;
        if prefix >= 2 && numeric(&body[prefix..]) {
            // The sign of a number belongs to the value: `blk_-17` and `blk_17` are alike.
            let kept =
                if start < body.len() && body[start - 1] == b'-' { start - 1 } else { start };
            self.out.extend_from_slice(&body[..kept]);
            self.wildcard();
            return;
        }
        let unit = body.iter().rev().take_while(|b| b.is_ascii_alphabetic()).count();
        self.wildcard();
        if (1..=3).contains(&unit) && numeric(&body[..body.len() - unit]) {
            self.out.extend_from_slice(&body[body.len() - unit..]);
        }
    }

    /// A key, as in `r24=17`: its letters stay.
    fn digits_masked(&mut self, body: &[u8]) {
        for byte in body {
            if class(*byte) == DIGIT {
                self.wildcard();
            } else {
                self.out.push(*byte);
            }
        }
    }
}

/// Start and end of the next token at or after `at`.
fn next_token(content: &[u8], at: usize) -> Option<(usize, usize)> {
    let start = at + content[at..].iter().position(|b| class(*b) != SPACE)?;
    let length = content[start..].iter().position(|b| class(*b) == SPACE);
    Some((start, length.map_or(content.len(), |l| start + l)))
}

/// End of the segment that starts at `at` and the classes seen in it. Two dots in a row are
/// leaders (`enable.....1`) and end a segment too.
fn segment_end(token: &[u8], at: usize) -> (usize, u8) {
    let mut seen = 0;
    let mut end = at;
    while end < token.len() {
        let byte = token[end];
        let class = class(byte);
        if class & WORD == 0 || is_leader(token, end) {
            break;
        }
        seen |= class;
        end += 1;
    }
    if end == at {
        // A leader itself: take the whole run of dots as text.
        while end < token.len() && token[end] == b'.' {
            end += 1;
        }
        return (end, INNER);
    }
    (end, seen)
}

fn is_leader(token: &[u8], at: usize) -> bool {
    token[at] == b'.' && token.get(at + 1) == Some(&b'.')
}

/// End of a URL or of a group of hexadecimal numbers with colons (IPv6, MAC, time) at `at`.
fn special_end(token: &[u8], at: usize) -> Option<usize> {
    let rest = &token[at..];
    let hex = rest.iter().take(5).take_while(|b| class(**b) & (DIGIT | HEX_LETTER) != 0).count();
    if hex <= 4 && rest.get(hex) == Some(&b':') {
        let is_group = |b: &&u8| class(**b) & (DIGIT | HEX_LETTER) != 0 || **b == b':';
        let mut end = rest.iter().take_while(is_group).count();
        let colons = rest[..end].iter().filter(|b| **b == b':').count();
        while end > 0 && rest[end - 1] == b':' {
            end -= 1;
        }
        let whole = rest.get(end).is_none_or(|b| class(*b) & (LETTER | HEX_LETTER) == 0);
        return (colons >= 2 && end > hex && whole).then_some(at + end);
    }
    if rest[0].is_ascii_alphabetic() {
        let scheme = rest.iter().take(12).take_while(|b| b.is_ascii_alphanumeric()).count();
        if scheme >= 2 && rest[scheme..].starts_with(b"://") {
            let end = at + scheme + 3;
            return Some(value_end(token, end));
        }
    }
    None
}

/// End of the absolute path that starts at the slash (or `~/`) at `at`.
fn path_end(token: &[u8], at: usize) -> Option<usize> {
    let slash = match token[at] {
        b'/' => at,
        b'~' if token.get(at + 1) == Some(&b'/') => at + 1,
        _ => return None,
    };
    // After a word a slash separates two words; it opens a path only at a token's or value's start.
    let opens = at == 0 || matches!(token[at - 1], b'=' | b'(' | b'[' | b'"' | b'\'' | b':' | b',');
    let named =
        token.get(slash + 1).is_some_and(|b| class(*b) & (LETTER | HEX_LETTER | INNER) != 0);
    (opens && named).then(|| value_end(token, slash + 1))
}

/// End of a path or URL: a closing mark, or the token's end without its punctuation.
fn value_end(token: &[u8], from: usize) -> usize {
    let closing = |b: &u8| matches!(b, b'"' | b'\'' | b')' | b']' | b'}' | b'>' | b',' | b';');
    let mut end = from + token[from..].iter().position(closing).unwrap_or(token.len() - from);
    while end > from && matches!(token[end - 1], b'.' | b':' | b'!' | b'?') {
        end -= 1;
    }
    end
}

/// `0xb00000084`.
fn is_prefixed_hex(body: &[u8]) -> bool {
    match body {
        [b'0', b'x' | b'X', rest @ ..] => rest.iter().all(u8::is_ascii_hexdigit),
        _ => false,
    }
}

/// `init2` before a parenthesis is a function's name: its digits are few and inside letters.
fn is_function_name(body: &[u8]) -> bool {
    let digits = body.iter().filter(|b| b.is_ascii_digit()).count();
    let inner = body.iter().any(|b| matches!(b, b'-'));
    !inner
        && body.first().is_some_and(|b| !b.is_ascii_digit())
        && digits <= 2
        && body.len() > 2 * digits
}

/// Lower-case labels with dots whose last one is a well-known generic domain, or two letters
/// after at least two dots: `mail.example.org`, but not `java.io.IOException` nor `main.rs`.
fn is_host_name(segment: &[u8]) -> bool {
    if segment.iter().any(|b| !(b.is_ascii_lowercase() || matches!(b, b'.' | b'-'))) {
        return false;
    }
    let end = segment.iter().rposition(|b| *b != b'.').map_or(0, |last| last + 1);
    let mut labels = segment[..end].rsplit(|b| *b == b'.');
    let Some(top) = labels.next() else { return false };
    let dots = labels.count();
    match top {
        b"com" | b"net" | b"org" | b"edu" | b"gov" | b"mil" | b"info" | b"biz" | b"arpa"
        | b"local" | b"lan" | b"internal" | b"localdomain" => dots >= 1,
        b"py" | b"rs" | b"so" | b"cc" | b"go" | b"js" | b"sh" | b"pl" | b"rb" | b"ko" => false,
        _ => top.len() == 2 && dots >= 2,
    }
}

fn is_calendar_word(token: &[u8]) -> bool {
    matches!(
        token,
        b"Mon"
            | b"Tue"
            | b"Wed"
            | b"Thu"
            | b"Fri"
            | b"Sat"
            | b"Sun"
            | b"Jan"
            | b"Feb"
            | b"Mar"
            | b"Apr"
            | b"May"
            | b"Jun"
            | b"Jul"
            | b"Aug"
            | b"Sep"
            | b"Oct"
            | b"Nov"
            | b"Dec"
    )
}

/// Whether the token after `end` starts with a digit or is a calendar word itself.
fn before_number(content: &[u8], end: usize) -> bool {
    next_token(content, end).is_some_and(|(start, end)| {
        content[start].is_ascii_digit() || is_calendar_word(&content[start..end])
    })
}

fn contains_wildcard(text: &[u8]) -> bool {
    text.windows(WILDCARD.len()).any(|w| w == WILDCARD.as_bytes())
}

/// Follows "for user", "invalid user" and the like: the next token is somebody's name.
#[derive(Default)]
struct NameContext {
    preposition: bool,
    user: bool,
}

impl NameContext {
    /// Takes in a token; true where it is a name.
    fn names(&mut self, token: &[u8]) -> bool {
        let named = self.user && token[0].is_ascii_alphanumeric();
        self.user = self.preposition && (token == b"user" || token == b"User");
        self.preposition = token.len() <= 7
            && matches!(
                token,
                b"for" | b"invalid" | b"Invalid" | b"illegal" | b"Illegal" | b"by" | b"as"
            );
        named
    }
}
