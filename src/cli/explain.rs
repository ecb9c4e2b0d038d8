pub fn explain(_: &std::path::Path, _: &crate::cli::arguments::ExplainOptions, _: crate::cli::output::Output) -> u8 { 0 }
