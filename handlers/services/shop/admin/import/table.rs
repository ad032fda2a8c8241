//! CSV (RFC 4180) with a header row. Cells are data whatever they begin with: nothing evaluates them.

use csv::{ByteRecord, ReaderBuilder};
use serde_json::{Map, Value};

use super::lines::{Line, checked};
use crate::error::{Code, Error, FieldError, Result};

/// How the cells of a column are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    /// Parted by semicolons.
    List,
    Number,
    Truth,
}

/// The columns: those with a dot are a field of a field.
const COLUMNS: [(&str, Kind); 24] = [
    ("sku", Kind::Text),
    ("category", Kind::Text),
    ("subcategory", Kind::Text),
    ("fabric", Kind::Text),
    ("weave", Kind::Text),
    ("origin.place", Kind::Text),
    ("origin.state", Kind::Text),
    ("colors", Kind::List),
    ("sizes", Kind::List),
    ("occasions", Kind::List),
    ("care", Kind::List),
    ("pricePaise", Kind::Number),
    ("originalPricePaise", Kind::Number),
    ("stock", Kind::Number),
    ("featured", Kind::Truth),
    ("isNew", Kind::Truth),
    ("tags", Kind::List),
    ("images", Kind::List),
    ("name.en-IN", Kind::Text),
    ("name.hi-IN", Kind::Text),
    ("name.te-IN", Kind::Text),
    ("description.en-IN", Kind::Text),
    ("description.hi-IN", Kind::Text),
    ("description.te-IN", Kind::Text),
];

/// The names of all columns, in the order of a product's form.
pub fn columns() -> impl Iterator<Item = &'static str> {
    COLUMNS.iter().map(|(name, _)| *name)
}

/// The lines of a table.
///
/// # Errors
/// What is wrong with the table as a whole: a header that names no column of ours, one twice, or no `sku`; a quote
/// that is not closed; [`Code::PayloadTooLarge`] for too many lines.
pub fn of_table(body: &[u8]) -> Result<Vec<Line>> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if let Some(line) = open_quote(body) {
        let detail = format!("The quoted value that begins at line {line} is not closed.");
        return Err(Error::new(Code::MalformedRequest, detail));
    }
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(body);
    let mut record = ByteRecord::new();
    if !read(&mut reader, &mut record)? {
        return Err(Error::field("header", "expected a first line with the names of columns"));
    }
    let header = header(&record)?;
    let mut lines = Vec::new();
    while read(&mut reader, &mut record)? {
        checked(lines.len() + 1)?;
        let number = record.position().map_or(0, csv::Position::line);
        lines.push(line(number, &header, &record));
    }
    Ok(lines)
}

fn read(reader: &mut csv::Reader<&[u8]>, record: &mut ByteRecord) -> Result<bool> {
    reader.read_byte_record(record).map_err(|error| {
        let line = error.position().map_or(0, csv::Position::line);
        Error::new(Code::MalformedRequest, format!("The table cannot be read at line {line}.")).with_source(error)
    })
}

/// The line where a quoted value begins that the end of the text leaves open. A quote opens a value at its
/// beginning only; within it, two stand for one.
fn open_quote(text: &[u8]) -> Option<u64> {
    let (mut line, mut opened, mut begins) = (1, None, true);
    let mut bytes = text.iter().peekable();
    while let Some(&byte) = bytes.next() {
        match (byte, opened) {
            (b'"', Some(_)) if bytes.peek() == Some(&&b'"') => {
                bytes.next();
            }
            (b'"', Some(_)) => opened = None,
            (b'"', None) if begins => opened = Some(line),
            _ => {}
        }
        begins = opened.is_none() && matches!(byte, b',' | b'\n' | b'\r');
        line += u64::from(byte == b'\n');
    }
    opened
}

fn header(record: &ByteRecord) -> Result<Vec<(&'static str, Kind)>> {
    let mut problems = Vec::new();
    let mut columns: Vec<(&'static str, Kind)> = Vec::with_capacity(record.len());
    for (n, cell) in record.iter().enumerate().take(100) {
        let name = String::from_utf8_lossy(cell);
        let shown: String = name.trim().chars().take(60).collect();
        let mut refuse = |message: String| problems.push(FieldError { field: format!("header[{n}]"), message });
        match COLUMNS.iter().find(|(column, _)| *column == name.trim()) {
            None => {
                let known = self::columns().collect::<Vec<_>>().join(", ");
                refuse(format!("there is no column {shown:?}; expected {known}"));
            }
            Some(column) if columns.contains(column) => refuse(format!("the column {shown:?} is there twice")),
            Some(column) => columns.push(*column),
        }
    }
    if problems.is_empty() && !columns.iter().any(|(name, _)| *name == "sku") {
        problems.push(FieldError { field: "header".into(), message: "expected a column sku".into() });
    }
    if problems.is_empty() { Ok(columns) } else { Err(Error::fields(problems)) }
}

fn line(number: u64, header: &[(&'static str, Kind)], record: &ByteRecord) -> Line {
    if record.len() != header.len() {
        let (wanted, found) = (header.len(), record.len());
        return Line::unreadable(number, format!("expected {wanted} values as the header has, found {found}"));
    }
    let mut form = Map::new();
    for ((name, kind), cell) in header.iter().zip(record) {
        let Ok(text) = std::str::from_utf8(cell) else {
            let problem = FieldError { field: (*name).to_owned(), message: "the value is not UTF-8".into() };
            return Line { number, form: Err(problem) };
        };
        let value = value(*kind, text.trim());
        match name.split_once('.') {
            None => {
                form.insert((*name).to_owned(), value);
            }
            Some((field, part)) => {
                let field = form.entry(field).or_insert_with(|| Value::Object(Map::new()));
                if let Value::Object(parts) = field {
                    parts.insert(part.to_owned(), value);
                }
            }
        }
    }
    Line { number, form: Ok(form) }
}

/// A cell as the form has it; what is no number or truth stays a text, which the form's rule refuses.
fn value(kind: Kind, text: &str) -> Value {
    let as_text = || Value::from(text);
    match kind {
        _ if text.is_empty() => Value::Null,
        Kind::Text => as_text(),
        Kind::List => text.split(';').map(str::trim).filter(|item| !item.is_empty()).collect(),
        Kind::Number => text.parse::<u64>().map_or_else(|_| as_text(), Value::from),
        // Spreadsheets write them in capitals.
        Kind::Truth => text.to_ascii_lowercase().parse::<bool>().map_or_else(|_| as_text(), Value::from),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn form(table: &str) -> Value {
        let line = of_table(table.as_bytes()).unwrap().remove(0);
        Value::Object(line.form.unwrap())
    }

    #[test]
    fn cells_become_the_form_of_a_product() {
        let table = "\u{feff}sku,pricePaise,colors,featured,name.en-IN,name.hi-IN,care\r\nA-1,1500, red; gold ,TRUE,\"A \"\"fine\"\", one\",,\r\n";
        let expected = json!({
            "sku": "A-1", "pricePaise": 1500, "colors": ["red", "gold"], "featured": true,
            "name": { "en-IN": "A \"fine\", one", "hi-IN": null }, "care": null
        });
        assert_eq!(form(table), expected);
        assert_eq!(form("sku,pricePaise\nA,1e3")["pricePaise"], "1e3", "for the form to refuse");
    }

    #[test]
    fn what_is_wrong_with_a_line_is_told_under_its_number() {
        let table = b"sku,fabric\nA,silk\nB\nC,\"two\nlines\"\nD,\xff\nE,silk,more\n";
        let lines = of_table(table).unwrap();
        let told: Vec<(u64, bool)> = lines.iter().map(|line| (line.number, line.form.is_ok())).collect();
        assert_eq!(told, [(2, true), (3, false), (4, true), (6, false), (7, false)]);
        assert_eq!(lines[3].form.as_ref().unwrap_err().field, "fabric");
    }

    #[test]
    fn what_is_wrong_with_the_table_refuses_it() {
        let refused = |table: &str| of_table(table.as_bytes()).err().expect(table);
        let open = refused("sku,fabric\nA,silk\nB,\"silk\nC,silk\n");
        assert_eq!(open.code(), Code::MalformedRequest);
        assert!(open.detail().contains("line 3"), "{open}");
        for (table, field) in [
            ("", "header"),
            ("fabric,weave\nsilk,ikat\n", "header"),
            ("sku,price\nA,1\n", "header[1]"),
            ("sku,fabric,sku\nA,silk,A\n", "header[2]"),
        ] {
            assert_eq!(refused(table).field_errors()[0].field, field, "{table}");
        }
        // Quotes within a value that does not begin with one are just that.
        assert_eq!(form("sku,fabric\nA,5\" silk\nB,x")["fabric"], "5\" silk");
    }
}
