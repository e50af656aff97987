//! As much of `multipart/form-data` as filled jobs, files and forms in parts need.

/// A part with its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part<'b> {
    pub(crate) name: &'b str,
    pub(crate) content: &'b [u8],
}

/// The parts of a body; none when it is not of this kind.
pub(crate) fn parts<'b>(content_type: &str, body: &'b [u8]) -> Option<Vec<Part<'b>>> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
    })?;
    let mark = format!("--{boundary}");
    let mut parts = Vec::new();
    let mut rest = body.get(find(body, mark.as_bytes())? + mark.len()..)?;
    while !rest.starts_with(b"--") {
        let Some(end) = find(rest, format!("\n{mark}").as_bytes()) else { break };
        let (part, behind) = rest.split_at(end);
        parts.extend(read(part));
        rest = behind.get(mark.len() + 1..)?;
    }
    Some(parts)
}

/// Headers, an empty line, and the content up to the line ending before the next boundary.
fn read(part: &[u8]) -> Option<Part<'_>> {
    let part = part.strip_prefix(b"\r\n").or_else(|| part.strip_prefix(b"\n"))?;
    let ends = [b"\r\n\r\n".as_slice(), b"\n\n"];
    let (end, width) = ends.iter().filter_map(|end| Some((find(part, end)?, end.len()))).min()?;
    let (head, content) = (part.get(..end)?, part.get(end + width..)?);
    let head = std::str::from_utf8(head).ok()?;
    let disposition =
        head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?;
    let name = disposition.split(';').find_map(|parameter| parameter.trim().strip_prefix("name="))?;
    Some(Part { name: name.trim_matches('"'), content: content.strip_suffix(b"\r").unwrap_or(content) })
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len().max(1)).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parts_read_as_they_were_written(job in "[a-z{}\":\n]{0,20}", content in "[a-z,\"\r\n-]{0,40}", crlf in any::<bool>()) {
            let end = if crlf { "\r\n" } else { "\n" };
            let mut body = String::new();
            for (name, text) in [("job", &job), ("content", &content)] {
                body += &format!("--B0UND{end}Content-Disposition: form-data; name=\"{name}\"{end}Content-Type: x/y{end}{end}{text}{end}");
            }
            body += &format!("--B0UND--{end}");
            let read = parts("multipart/form-data; boundary=\"B0UND\"", body.as_bytes()).expect("multipart");
            // A carriage return before a bare line feed cannot be told from one that belongs to it.
            let content = if crlf { content.as_str() } else { content.strip_suffix('\r').unwrap_or(&content) };
            prop_assert_eq!(read, [Part { name: "job", content: job.as_bytes() }, Part { name: "content", content: content.as_bytes() }]);
        }

        #[test]
        fn any_body_is_read_or_refused(body in "[-B\r\n:a]{0,60}") {
            let _parts = parts("multipart/form-data; boundary=B", body.as_bytes());
        }
    }
}
