use std::fmt::Write;

use chrono::{DateTime, Utc};

/// The page that opens an export: its files with what they are and how many things they hold. Nothing that a
/// customer wrote is on it.
pub fn index(made_at: DateTime<Utc>, files: &[(&str, &str, usize)]) -> String {
    let mut page = String::from(concat!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Your data at Pravis Boutique</title>\n",
        "<style>body{font:16px/1.5 sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem}",
        "td,th{text-align:left;padding:.3rem 1rem .3rem 0;vertical-align:top}</style>\n",
        "<h1>Your data at Pravis Boutique</h1>\n"
    ));
    // Writing to a text does not fail.
    let _ =
        writeln!(page, "<p>Everything that we keep about you, as of {}.</p>", made_at.format("%-d %B %Y, %H:%M UTC"));
    page.push_str("<table>\n<tr><th>file</th><th>holds</th><th>entries</th></tr>\n");
    for (path, what, items) in files {
        let _ = writeln!(page, "<tr><td><a href=\"{path}\">{path}</a></td><td>{what}</td><td>{items}</td></tr>");
    }
    page.push_str(concat!(
        "</table>\n<p>The files are JSON (RFC 8259), the sounds are as you sent them or Opus in Ogg. ",
        "<a href=\"index.json\">index.json</a> is this list for programs, and names what is left out and why: ",
        "keys, and what our systems need for some days to work.</p>\n</html>\n"
    ));
    page
}
