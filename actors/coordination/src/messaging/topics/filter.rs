//! Names and filters of topics (MQTT 5.0, section 4.7).

use super::error::TopicError;

/// Most bytes of a name or filter.
pub const MAX_TOPIC_BYTES: usize = 1_024;

/// Most levels of a name or filter.
pub const MAX_LEVELS: usize = 32;

fn check(field: &'static str, text: &str) -> Result<(), TopicError> {
    let refuse = |reason: String| Err(TopicError::Invalid { field, reason });
    if text.is_empty() {
        return refuse("is empty, expected levels parted by '/', such as a/b/c".to_owned());
    }
    if text.len() > MAX_TOPIC_BYTES {
        return refuse(format!("{} bytes, expected at most {MAX_TOPIC_BYTES}", text.len()));
    }
    if text.chars().any(char::is_control) {
        let shown: String = text.chars().take(60).collect();
        return refuse(format!("'{}' has control characters", shown.escape_debug()));
    }
    let levels = text.split('/').count();
    if levels > MAX_LEVELS {
        return refuse(format!("{levels} levels, expected at most {MAX_LEVELS}"));
    }
    Ok(())
}

/// Checks the name of a topic to publish to.
///
/// # Errors
/// It is empty, too long, too deep, or has wildcards or control characters.
pub fn check_topic(name: &str) -> Result<(), TopicError> {
    check("topic", name)?;
    if name.contains(['+', '#']) {
        let reason =
            format!("'{name}' has wildcards, which only filters of subscriptions may have");
        return Err(TopicError::invalid("topic", reason));
    }
    Ok(())
}

/// Which topics somebody subscribes to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TopicFilter(String);

impl TopicFilter {
    /// Reads a filter.
    ///
    /// # Errors
    /// It is empty, too long, too deep, has control characters or a wildcard that is not a whole
    /// level, or `#` before the end.
    pub fn new(text: impl Into<String>) -> Result<Self, TopicError> {
        let text = text.into();
        check("filter", &text)?;
        let last = text.split('/').count() - 1;
        for (index, level) in text.split('/').enumerate() {
            let wild = level.contains(['+', '#']);
            if wild && level.len() > 1 {
                let reason = format!("level '{level}' of '{text}': a wildcard is a whole level");
                return Err(TopicError::invalid("filter", reason));
            }
            if level == "#" && index != last {
                let reason = format!("'{text}': '#' may only be the last level");
                return Err(TopicError::invalid("filter", reason));
            }
        }
        Ok(Self(text))
    }

    /// The filter as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its levels in order.
    pub(super) fn levels(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// Whether the topic is one of those.
    #[must_use]
    pub fn matches(&self, topic: &str) -> bool {
        let mut filter = self.levels();
        let mut name = topic.split('/');
        let mut first = true;
        loop {
            let level = filter.next();
            // Topics of the system are not for who asks for just anything (4.7.2).
            if first && topic.starts_with('$') && matches!(level, Some("+" | "#")) {
                return false;
            }
            first = false;
            match (level, name.next()) {
                // `#` stands for the level above as well.
                (Some("#"), _) | (None, None) => return true,
                (Some("+"), Some(_)) => {}
                (Some(wanted), Some(level)) if wanted == level => {}
                _ => return false,
            }
        }
    }
}

impl std::fmt::Display for TopicFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Filter, topic, whether it matches: the examples of MQTT 5.0, sections 4.7.1 and 4.7.2.
    pub(in crate::messaging::topics) const EXAMPLES: &[(&str, &str, bool)] = &[
        ("sport/tennis/player1/#", "sport/tennis/player1", true),
        ("sport/tennis/player1/#", "sport/tennis/player1/ranking", true),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true),
        ("sport/tennis/player1/#", "sport/tennis/player2", false),
        ("sport/#", "sport", true),
        ("#", "sport/tennis", true),
        ("sport/tennis/+", "sport/tennis/player1", true),
        ("sport/tennis/+", "sport/tennis/player1/ranking", false),
        ("sport/+", "sport", false),
        ("sport/+", "sport/", true),
        ("+", "finance", true),
        ("+/+", "/finance", true),
        ("/+", "/finance", true),
        ("+", "/finance", false),
        ("+/tennis/#", "sport/tennis/a/b", true),
        ("sport/+/player1", "sport/tennis/player1", true),
        ("#", "$SYS/uptime", false),
        ("+/monitor/Clients", "$SYS/monitor/Clients", false),
        ("$SYS/#", "$SYS/uptime", true),
        ("$SYS/monitor/+", "$SYS/monitor/Clients", true),
        ("ACCOUNTS", "Accounts", false),
        ("a/b", "a/b", true),
        ("a/b", "a/b/c", false),
        ("a//b", "a//b", true),
        ("a/+/b", "a//b", true),
    ];

    #[test]
    fn filters_match_as_the_examples_of_mqtt_5_say() {
        for (filter, topic, expected) in EXAMPLES {
            let filter = TopicFilter::new(*filter).unwrap();
            assert_eq!(filter.matches(topic), *expected, "{filter} and {topic}");
        }
    }

    #[test]
    fn bad_filters_and_names_are_refused_with_what_is_wrong() {
        let deep = vec!["a"; MAX_LEVELS + 1].join("/");
        let long = "a".repeat(MAX_TOPIC_BYTES + 1);
        for (filter, said) in [
            ("", "is empty"),
            ("sport/tennis#", "a wildcard is a whole level"),
            ("sport/tennis/#/ranking", "may only be the last"),
            ("sport+", "a wildcard is a whole level"),
            ("a/##", "a wildcard is a whole level"),
            ("#/a", "may only be the last"),
            ("a\u{0}b", "control characters"),
            (deep.as_str(), "33 levels"),
            (long.as_str(), "1025 bytes"),
        ] {
            let error = TopicFilter::new(filter).unwrap_err().to_string();
            assert!(error.contains(said), "{filter}: {error}");
        }
        for (topic, said) in [("a/+", "wildcards"), ("#", "wildcards"), (deep.as_str(), "levels")] {
            let error = check_topic(topic).unwrap_err().to_string();
            assert!(error.contains(said), "{topic}: {error}");
        }
    }
}
