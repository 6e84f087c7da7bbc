//! Lines of an input of any size, in bounded memory: what is between two line feeds, and what opens the input.
//!
//! Knows nothing of what the lines mean. However long a line is, no more than [`LINE_BYTES_MAX`] of it is ever held.
//! Compression is recognised by the first bytes, not by the name, so that it works on standard input too.

use std::io::{self, BufRead, BufReader, Cursor, Read};

/// A longer line is refused without being held in memory: room for the largest record that the topics allow.
pub const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes asked of the input at a time.
const CHUNK_BYTES: usize = 256 * 1024;

/// First bytes of a gzip member.
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
/// First bytes of a Zstandard frame.
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// Written by some editors at the head of a UTF-8 file; no part of the text.
const BYTE_ORDER_MARK: &[u8] = &[0xef, 0xbb, 0xbf];

/// One line of the input.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// Its bytes without the line feed.
    Text(&'a [u8]),
    /// It was longer than the limit and has been passed over.
    TooLong {
        /// How long it was, without the line feed.
        bytes: u64,
    },
}

/// Reads lines.
pub struct LineReader<R> {
    reader: BufReader<R>,
    line: Vec<u8>,
    line_bytes_max: usize,
    at_head: bool,
}

/// `input`, decompressed where it begins as gzip or Zstandard does.
pub fn decompressed(mut input: Box<dyn Read>) -> io::Result<Box<dyn Read>> {
    let mut head = Vec::with_capacity(ZSTD_MAGIC.len());
    input.by_ref().take(ZSTD_MAGIC.len() as u64).read_to_end(&mut head)?;
    let (gzip, zstd) = (head.starts_with(GZIP_MAGIC), head.starts_with(ZSTD_MAGIC));
    let whole = Cursor::new(head).chain(input);
    Ok(if gzip {
        Box::new(flate2::read::MultiGzDecoder::new(whole))
    } else if zstd {
        Box::new(zstd::stream::read::Decoder::new(whole)?)
    } else {
        Box::new(whole)
    })
}

impl<R: Read> LineReader<R> {
    /// Reads the lines of `input`, none longer than `line_bytes_max` bytes.
    pub fn new(input: R, line_bytes_max: usize) -> LineReader<R> {
        LineReader {
            reader: BufReader::with_capacity(CHUNK_BYTES, input),
            line: Vec::new(),
            line_bytes_max,
            at_head: true,
        }
    }

    /// The next line; `None` at the end of the input. A last line without a line feed counts.
    pub fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let limit = self.line_bytes_max as u64 + 1;
        let read = self.reader.by_ref().take(limit).read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(None);
        }
        let at_head = std::mem::replace(&mut self.at_head, false);
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
        } else if self.line.len() > self.line_bytes_max {
            return Ok(Some(Line::TooLong { bytes: self.pass_over()? }));
        }
        let skipped = if at_head && self.line.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        Ok(Some(Line::Text(self.line.get(skipped..).unwrap_or_default())))
    }

    /// Whether the next line has to be waited for: the moment to hand on what has been found so far.
    pub fn must_wait(&self) -> bool {
        !self.reader.buffer().contains(&b'\n')
    }

    /// Skips the rest of the present line; its whole length.
    fn pass_over(&mut self) -> io::Result<u64> {
        let mut bytes = self.line.len() as u64;
        loop {
            let chunk = self.reader.fill_buf()?;
            if chunk.is_empty() {
                return Ok(bytes);
            }
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let passed = end.unwrap_or(chunk.len());
            bytes += passed as u64;
            self.reader.consume(passed + usize::from(end.is_some()));
            if end.is_some() {
                return Ok(bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// Hands out at most `step` bytes at a time.
    struct Trickle<'a>(&'a [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.1.min(self.0.len()).min(buffer.len());
            buffer[..length].copy_from_slice(&self.0[..length]);
            self.0 = &self.0[length..];
            Ok(length)
        }
    }

    fn lines(input: &[u8], step: usize, line_bytes_max: usize) -> Vec<String> {
        let mut reader = LineReader::new(Trickle(input, step), line_bytes_max);
        let mut found = Vec::new();
        while let Some(line) = reader.next_line().unwrap() {
            found.push(match line {
                Line::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                Line::TooLong { bytes } => format!("<{bytes} bytes>"),
            });
        }
        found
    }

    #[test]
    fn lines_do_not_depend_on_how_the_input_arrives() {
        let input = b"\xef\xbb\xbfone\n\nthree is far too long for the limit\n12345678\n123456789\nlast";
        for step in [1, 2, 3, 7, 1000] {
            assert_eq!(
                lines(input, step, 8),
                ["one", "", "<35 bytes>", "12345678", "<9 bytes>", "last"],
                "step {step}"
            );
        }
        assert_eq!(lines(b"", 1, 8), Vec::<String>::new());
        assert_eq!(lines(b"no end and too long", 4, 8), ["<19 bytes>"]);
    }

    #[test]
    fn a_long_line_is_not_held() {
        let mut reader = LineReader::new(io::repeat(b'x').take(64 * 1024 * 1024), 1000);
        assert_eq!(reader.next_line().unwrap(), Some(Line::TooLong { bytes: 64 * 1024 * 1024 }));
        assert!(reader.line.capacity() < 10_000);
    }

    #[test]
    fn compression_is_recognised_by_the_first_bytes() {
        let text = b"{\"a\":1}\n{\"b\":2}\n".to_vec();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&text).unwrap();
        let zstd = zstd::stream::encode_all(&text[..], 1).unwrap();
        for packed in [text.clone(), gzip.finish().unwrap(), zstd] {
            let mut unpacked = Vec::new();
            decompressed(Box::new(Cursor::new(packed))).unwrap().read_to_end(&mut unpacked).unwrap();
            assert_eq!(unpacked, text);
        }
        for short in [&b""[..], b"{", b"ab\n"] {
            let mut read = Vec::new();
            decompressed(Box::new(Cursor::new(short.to_vec()))).unwrap().read_to_end(&mut read).unwrap();
            assert_eq!(read, short);
        }
    }
}
