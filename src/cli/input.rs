//! Input of a command: a file, standard input, or text on the command line.

use std::fs;
use std::io::{self, Read};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::exit::CliError;

/// Most bytes read from a file or standard input: what a node takes is far below.
const MAX_BYTES: u64 = 256 << 20;

/// Reads a JSON document from a file, or from standard input when `source` is `-`.
pub(crate) fn json_file<T: DeserializeOwned>(source: &str) -> Result<T, CliError> {
    let text = read(source)?;
    let mut reader = serde_json::Deserializer::from_slice(&text);
    let parsed = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let (path, error) = (error.path().to_string(), error.into_inner());
        let place = if path == "." { String::new() } else { format!("`{path}`: ") };
        CliError::Usage(format!("{}: {place}{error}", name(source)))
    })?;
    reader.end().map_err(|error| CliError::Usage(format!("{}: {error}", name(source))))?;
    Ok(parsed)
}

/// Reads `@FILE`, `@-` (standard input) or the text itself as JSON.
pub(crate) fn json_text(argument: &str, text: &str) -> Result<Value, CliError> {
    if let Some(source) = text.strip_prefix('@') {
        return json_file(source);
    }
    serde_json::from_str(text).map_err(|error| {
        let advice = "quote text as '\"text\"', or name a file as @FILE";
        CliError::Usage(format!("{argument}: not JSON ({error}); {advice}"))
    })
}

fn read(source: &str) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    let opened = match source {
        "-" => io::stdin().lock().take(MAX_BYTES + 1).read_to_end(&mut bytes),
        path => {
            fs::File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
        }
    };
    opened.map_err(|error| CliError::Usage(format!("{}: {error}", name(source))))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(CliError::Usage(format!("{}: more than 256 MiB", name(source))));
    }
    Ok(bytes)
}

/// Reads a text from a file, or from standard input when `source` is `-`.
pub(crate) fn text_file(source: &str) -> Result<String, CliError> {
    String::from_utf8(read(source)?).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        CliError::Usage(format!("{}: not UTF-8 after {at} bytes", name(source)))
    })
}

fn name(source: &str) -> &str {
    if source == "-" { "standard input" } else { source }
}

/// `KEY=VALUE`, as a parser of arguments.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

/// `KEY=VALUE` with a value in JSON, as a parser of arguments; what is no JSON is text.
pub(crate) fn setting(text: &str) -> Result<(String, Value), String> {
    let (key, value) = pair(text)?;
    let value = serde_json::from_str(&value).unwrap_or(Value::String(value));
    Ok((key, value))
}

/// Adds members to an object of a document; without any, the document stays as it is.
pub(crate) fn lay_over(
    document: &mut Map<String, Value>,
    field: &str,
    members: impl IntoIterator<Item = (String, Value)>,
) -> Result<(), CliError> {
    let mut members = members.into_iter().peekable();
    if members.peek().is_none() {
        return Ok(());
    }
    match document.entry(field).or_insert_with(|| json!({})) {
        Value::Object(object) => {
            object.extend(members);
            Ok(())
        }
        _ => Err(CliError::Usage(format!("--file: `{field}` is no object"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_taken_from_text_or_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("payload.json");
        fs::write(&path, "{\"a\": 1}").unwrap();
        let from_file = json_text("PAYLOAD", &format!("@{}", path.display())).unwrap();
        assert_eq!(from_file, json_text("PAYLOAD", "{\"a\": 1}").unwrap());
        fs::write(&path, "{} {}").unwrap();
        assert!(json_file::<Value>(path.to_str().unwrap()).is_err(), "one document a file");
    }

    #[test]
    fn text_that_is_no_json_says_how_to_quote_it() {
        let error = json_text("PAYLOAD", "hello").unwrap_err().to_string();
        assert!(error.starts_with("PAYLOAD: not JSON"), "{error}");
        assert!(error.contains("@FILE"), "{error}");
        assert!(json_file::<Value>("nowhere.json").unwrap_err().to_string().contains("nowhere"));
    }

    #[test]
    fn a_pair_needs_a_key() {
        assert_eq!(pair("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert!(pair("=b").is_err());
        assert!(pair("a").is_err());
    }

    #[test]
    fn a_setting_is_json_where_it_can_be() {
        assert_eq!(setting("a=7"), Ok(("a".to_owned(), json!(7))));
        assert_eq!(setting("a=seven"), Ok(("a".to_owned(), json!("seven"))));
        assert_eq!(setting("a="), Ok(("a".to_owned(), json!(""))));
        assert!(setting("a").is_err());
    }
}
