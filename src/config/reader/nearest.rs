//! Finds the word that was probably meant.

/// Returns the word that was probably meant, if one is similar enough.
pub(in crate::config) fn nearest<'w>(
    written: &str,
    words: impl Iterator<Item = &'w str>,
) -> Option<&'w str> {
    const CLOSE: f64 = 0.75;
    let score = |word: &str| {
        let (one, two) = (written.to_ascii_lowercase(), word.to_ascii_lowercase());
        // in short names one letter is a large part
        if strsim::damerau_levenshtein(&one, &two) <= 1 {
            1.0
        } else {
            strsim::jaro_winkler(&one, &two)
        }
    };
    let scored = words.map(|word| (score(word), word));
    scored
        .filter(|(score, _)| *score >= CLOSE)
        .max_by(|one, two| one.0.total_cmp(&two.0))
        .map(|(_, word)| word)
}
