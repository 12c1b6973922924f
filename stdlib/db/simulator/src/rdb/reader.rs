//! A file that is read from a stream.

use std::io::Read;

use super::{Entry, Parser, Part, RdbError};

/// Reads a file from its beginning to its checksum. An iterator over its keys, which ends after the first error.
pub struct Reader<R> {
    stream: R,
    parser: Parser,
    closed: bool,
    done: bool,
}

/// What is read of a stream at a time.
const PIECE: u64 = 64 << 10;

impl<R: Read> Reader<R> {
    pub fn new(stream: R) -> Self {
        Reader { stream, parser: Parser::default(), closed: false, done: false }
    }

    fn read(&mut self) -> Result<Option<Entry>, RdbError> {
        let mut piece = Vec::new();
        loop {
            match self.parser.part()? {
                Some(Part::Key(entry)) => return Ok(Some(entry)),
                // Programs are no keys.
                Some(Part::Functions(_)) => continue,
                None if self.closed => return Ok(None),
                None => {}
            }
            piece.clear();
            self.closed = self.stream.by_ref().take(PIECE).read_to_end(&mut piece)? == 0;
            if self.closed {
                self.parser.close();
            }
            self.parser.push(&piece);
        }
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Entry, RdbError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let read = self.read().transpose();
        self.done = !matches!(read, Some(Ok(_)));
        read
    }
}
