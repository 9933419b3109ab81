//! What several receivers share.

pub mod scrape;
