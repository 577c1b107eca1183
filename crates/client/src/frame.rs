//! Frames: a length and that many bytes, in both directions.

/// Bytes that came in, cut into frames.
#[derive(Debug, Default)]
pub(crate) struct Input {
    bytes: Vec<u8>,
    taken: usize,
}

/// A frame with a length that cannot be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadLength(pub(crate) i32);

/// Space made for each read.
const READ_BYTES: usize = 16 * 1024;

impl Input {
    /// Where the next read puts its bytes.
    pub(crate) fn spare(&mut self) -> &mut Vec<u8> {
        if self.taken > 0 {
            self.bytes.drain(..self.taken);
            self.taken = 0;
        }
        self.bytes.reserve(READ_BYTES);
        &mut self.bytes
    }

    /// The next complete frame, without its length.
    pub(crate) fn next_frame(&mut self, bytes_max: usize) -> Result<Option<Vec<u8>>, BadLength> {
        let waiting = self.bytes.get(self.taken..).unwrap_or_default();
        let Some((length, rest)) = waiting.split_first_chunk::<4>() else { return Ok(None) };
        let length = i32::from_be_bytes(*length);
        let wanted = usize::try_from(length).ok().filter(|wanted| *wanted <= bytes_max);
        let wanted = wanted.ok_or(BadLength(length))?;
        let Some(frame) = rest.get(..wanted) else { return Ok(None) };
        let frame = frame.to_vec();
        self.taken += 4 + wanted;
        Ok(Some(frame))
    }
}

/// Bytes that wait to be sent.
#[derive(Debug, Default)]
pub(crate) struct Output {
    bytes: Vec<u8>,
    sent: usize,
}

impl Output {
    /// Appends one frame, whose body `write` appends to what it is given.
    pub(crate) fn frame(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        write(&mut self.bytes);
        let length = u32::try_from(self.bytes.len() - start - 4).unwrap_or(u32::MAX);
        if let Some(place) = self.bytes.get_mut(start..start + 4) {
            place.copy_from_slice(&length.to_be_bytes());
        }
    }

    /// What has not been sent yet.
    pub(crate) fn waiting(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }

    /// The socket took this many bytes.
    pub(crate) fn sent(&mut self, count: usize) {
        self.sent += count;
        if self.sent >= self.bytes.len() {
            self.bytes.clear();
            self.sent = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_whole_however_the_bytes_arrive() {
        let mut output = Output::default();
        output.frame(|out| out.extend_from_slice(b"first"));
        output.frame(|_| {});
        output.frame(|out| out.extend_from_slice(b"x"));
        let mut input = Input::default();
        let mut frames = Vec::new();
        for byte in output.waiting() {
            input.spare().push(*byte);
            while let Some(frame) = input.next_frame(10).unwrap() {
                frames.push(frame);
            }
        }
        assert_eq!(frames, [b"first".to_vec(), Vec::new(), b"x".to_vec()]);
    }

    #[test]
    fn a_length_out_of_range_is_refused_before_its_bytes_are_there() {
        for (bytes, length) in [([0xff; 4], -1), ([0, 0, 0, 11], 11)] {
            let mut input = Input::default();
            input.spare().extend_from_slice(&bytes);
            assert_eq!(input.next_frame(10), Err(BadLength(length)));
        }
    }

    #[test]
    fn sending_in_pieces_loses_nothing() {
        let mut output = Output::default();
        output.frame(|out| out.extend_from_slice(b"abc"));
        output.sent(3);
        assert_eq!(output.waiting(), b"\x03abc");
        output.sent(4);
        assert_eq!(output.waiting(), b"");
        output.frame(|out| out.push(b'd'));
        assert_eq!(output.waiting(), b"\0\0\0\x01d");
    }
}
