//! The spoken form: sentences, and their SSML with everything escaped.

/// Sentences that are spoken one after another.
#[derive(Debug, Default)]
pub(crate) struct Speech(Vec<String>);

impl Speech {
    pub(crate) fn of(sentence: impl Into<String>) -> Self {
        Self::default().then(sentence)
    }

    /// Adds a sentence; an empty one is left out.
    pub(crate) fn then(mut self, sentence: impl Into<String>) -> Self {
        let sentence = sentence.into();
        if !sentence.trim().is_empty() {
            self.0.push(sentence);
        }
        self
    }

    /// Plain text for the screen.
    pub(crate) fn text(&self) -> String {
        self.0.join(" ")
    }

    /// SSML 1.1 (W3C): one `<s>` a sentence, a short break between them.
    pub(crate) fn ssml(&self) -> String {
        let sentences: Vec<_> = self.0.iter().map(|sentence| format!("<s>{}</s>", escape(sentence))).collect();
        format!("<speak>{}</speak>", sentences.join("<break time=\"200ms\"/>"))
    }
}

/// One sentence as SSML.
pub fn ssml_of(sentence: &str) -> String {
    Speech::of(sentence).ssml()
}

/// Two spoken replies as one, with a pause between them.
pub fn join_ssml(first: &str, second: &str) -> String {
    let first = first.strip_suffix("</speak>").unwrap_or(first);
    let second = second.strip_prefix("<speak>").unwrap_or(second);
    format!("{first}<break time=\"400ms\"/>{second}")
}

/// Text for XML 1.0 content and attributes: markup escaped, characters that XML forbids dropped
/// (section 2.2 of the recommendation).
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\t' | '\n' | '\r' => out.push(' '),
            '\0'..='\x1F' | '\u{FFFE}' | '\u{FFFF}' => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_names_stays_text() {
        let speech = Speech::of("A <break/> & \"B\"\u{7}").then("").then("Done.");
        assert_eq!(
            speech.ssml(),
            "<speak><s>A &lt;break/&gt; &amp; &quot;B&quot;</s><break time=\"200ms\"/><s>Done.</s></speak>"
        );
        assert_eq!(
            join_ssml(&Speech::of("A.").ssml(), &Speech::of("B.").ssml()),
            "<speak><s>A.</s><break time=\"400ms\"/><s>B.</s></speak>"
        );
        assert_eq!(speech.text(), "A <break/> & \"B\"\u{7} Done.");
    }
}
