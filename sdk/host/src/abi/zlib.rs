//! zlib's format, RFC 1950 and 1951, for the foreign functions `compress` and `uncompress`.

/// Compresses bytes into stored blocks. The result is larger than Envoy's, and as valid.
pub(crate) fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x78, 0x01];
    let mut blocks = bytes.chunks(usize::from(u16::MAX)).peekable();
    loop {
        let block = blocks.next().unwrap_or_default();
        let len = u16::try_from(block.len()).expect("a chunk");
        out.push(blocks.peek().is_none().into());
        out.extend(len.to_le_bytes());
        out.extend((!len).to_le_bytes());
        out.extend(block);
        if blocks.peek().is_none() {
            out.extend(adler32(bytes).to_be_bytes());
            return out;
        }
    }
}

/// Returns the uncompressed bytes, or `None` if they are damaged. Bytes after the end do not
/// matter.
pub(crate) fn uncompress(bytes: &[u8]) -> Option<Vec<u8>> {
    let ([method, flags], rest) = bytes.split_first_chunk()?;
    if method & 15 != 8 || flags & 32 != 0 || u16::from_be_bytes([*method, *flags]) % 31 != 0 {
        return None;
    }
    let mut bits = Bits { bytes: rest, at: 0 };
    let mut out = Vec::new();
    loop {
        let last = bits.take(1)? == 1;
        match bits.take(2)? {
            0 => bits.stored(&mut out)?,
            1 => {
                let lengths: Vec<_> = (0..288).map(fixed_length).collect();
                bits.block(&Code::new(&lengths), &Code::new(&[5; 30]), &mut out)?;
            }
            2 => {
                let (literals, distances) = bits.codes()?;
                bits.block(&literals, &distances, &mut out)?;
            }
            _ => return None,
        }
        if last {
            let sum = bits.aligned(4)?;
            return (*sum == adler32(&out).to_be_bytes()).then_some(out);
        }
    }
}

fn fixed_length(symbol: usize) -> u8 {
    match symbol {
        0..144 => 8,
        144..256 => 9,
        256..280 => 7,
        _ => 8,
    }
}

/// A reader of bits, which takes the lowest bit of each byte first.
struct Bits<'a> {
    bytes: &'a [u8],
    /// The next bit.
    at: usize,
}

/// The order of the lengths of the code for lengths.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

impl<'a> Bits<'a> {
    fn take(&mut self, count: usize) -> Option<usize> {
        let mut number = 0;
        for place in 0..count {
            let byte = self.bytes.get(self.at / 8)?;
            number |= usize::from(byte >> (self.at % 8) & 1) << place;
            self.at += 1;
        }
        Some(number)
    }

    /// Takes whole bytes, from the next byte that begins.
    fn aligned(&mut self, count: usize) -> Option<&'a [u8]> {
        let start = self.at.div_ceil(8);
        self.at = (start + count) * 8;
        self.bytes.get(start..start + count)
    }

    fn stored(&mut self, out: &mut Vec<u8>) -> Option<()> {
        let head: [u8; 4] = self.aligned(4)?.try_into().ok()?;
        let len = u16::from_le_bytes([head[0], head[1]]);
        if u16::from_le_bytes([head[2], head[3]]) != !len {
            return None;
        }
        out.extend(self.aligned(len.into())?);
        Some(())
    }

    /// Takes the codes of a block that brings its own.
    fn codes(&mut self) -> Option<(Code, Code)> {
        let (literals, distances, count) = (self.take(5)? + 257, self.take(5)? + 1, self.take(4)? + 4);
        let mut lengths = [0; 19];
        for place in ORDER.iter().take(count) {
            lengths[*place] = u8::try_from(self.take(3)?).ok()?;
        }
        let code = Code::new(&lengths);
        let mut lengths = Vec::new();
        while lengths.len() < literals + distances {
            let (length, times) = match self.symbol(&code)? {
                16 => (*lengths.last()?, self.take(2)? + 3),
                17 => (0, self.take(3)? + 3),
                18 => (0, self.take(7)? + 11),
                length => (u8::try_from(length).ok()?, 1),
            };
            lengths.extend(std::iter::repeat_n(length, times));
        }
        let (literals, distances) = lengths.get(..literals + distances)?.split_at(literals);
        Some((Code::new(literals), Code::new(distances)))
    }

    fn symbol(&mut self, code: &Code) -> Option<usize> {
        let (mut word, mut first, mut index) = (0, 0, 0);
        for count in &code.counts[1..] {
            word |= self.take(1)?;
            if let Some(offset) = word.checked_sub(first).filter(|offset| offset < count) {
                return code.symbols.get(index + offset).copied();
            }
            index += count;
            first = (first + count) << 1;
            word <<= 1;
        }
        None
    }

    fn block(&mut self, literals: &Code, distances: &Code, out: &mut Vec<u8>) -> Option<()> {
        loop {
            match self.symbol(literals)? {
                literal @ 0..256 => out.push(u8::try_from(literal).ok()?),
                256 => return Some(()),
                symbol => {
                    let len = self.length(symbol - 257)?;
                    let distance = self.symbol(distances)?;
                    let distance = if distance < 4 {
                        distance + 1
                    } else if distance < 30 {
                        let extra = distance / 2 - 1;
                        ((2 + distance % 2) << extra) + 1 + self.take(extra)?
                    } else {
                        return None;
                    };
                    let start = out.len().checked_sub(distance)?;
                    for at in start..start + len {
                        out.push(out[at]);
                    }
                }
            }
        }
    }

    fn length(&mut self, code: usize) -> Option<usize> {
        match code {
            0..8 => Some(code + 3),
            8..28 => {
                let extra = code / 4 - 1;
                Some(((4 + code % 4) << extra) + 3 + self.take(extra)?)
            }
            28 => Some(258),
            _ => None,
        }
    }
}

/// A code in which shorter words come first, and equally long ones in the order of their symbols.
struct Code {
    /// The number of words of each length.
    counts: [usize; 16],
    symbols: Vec<usize>,
}

impl Code {
    fn new(lengths: &[u8]) -> Self {
        let mut counts = [0; 16];
        lengths.iter().for_each(|length| counts[usize::from(*length)] += 1);
        let mut symbols: Vec<_> = (0..lengths.len()).filter(|symbol| lengths[*symbol] != 0).collect();
        symbols.sort_by_key(|symbol| lengths[*symbol]);
        Self { counts, symbols }
    }
}

fn adler32(bytes: &[u8]) -> u32 {
    let (a, b) = bytes.iter().fold((1, 0), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    b << 16 | a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_blocks_are_zlibs() {
        // `zlib.compress(b"Wikipedia", 0)` of Python.
        let known = b"\x78\x01\x01\x09\x00\xf6\xffWikipedia\x11\xe6\x03\x98";
        assert_eq!(compress(b"Wikipedia"), known);
        for len in [0, 1, 65_534, 65_535, 65_536, 200_000] {
            let bytes: Vec<u8> = (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect();
            let mut compressed = compress(&bytes);
            assert_eq!(uncompress(&compressed).as_ref(), Some(&bytes), "{len}");
            let middle = compressed.len() / 2;
            compressed[middle] ^= 1;
            assert_eq!(uncompress(&compressed), None, "{len}");
        }
    }

    #[test]
    fn compressed_blocks_are_read() {
        // Of Python's `zlib`: with codes of the block's own, of the numbers' squares modulo 97
        // modulo 26; and with the fixed codes.
        let own = [
            120, 218, 237, 205, 183, 13, 192, 48, 12, 0, 193, 89, 69, 101, 81, 153, 80, 156, 222, 246, 16, 238, 88, 62,
            190, 56, 1, 58, 180, 139, 59, 41, 117, 230, 144, 6, 187, 163, 4, 68, 185, 183, 227, 51, 160, 92, 49, 132,
            232, 203, 178, 100, 171, 131, 61, 231, 6, 87, 223, 88, 197, 127, 103, 73, 132, 236, 79, 235, 153, 8, 18,
            185, 142, 70, 142, 121, 148, 74, 27, 111, 11, 26, 4, 3, 12, 48, 192, 0, 3, 12, 48, 240, 55, 240, 0, 51,
            218, 84, 101,
        ];
        let text: Vec<u8> = (0..2000_u32).map(|at| u8::try_from(at * at % 97 % 26).unwrap() + b'a').collect();
        assert_eq!(uncompress(&own), Some(text));
        let fixed = [120, 1, 75, 76, 74, 78, 68, 69, 138, 0, 72, 130, 7, 6];
        assert_eq!(uncompress(&fixed).as_deref(), Some(&b"abcabcabcabcabcabc!"[..]));
        for known in [&own[..], &fixed] {
            assert_eq!(uncompress(&[known, b"after"].concat()), uncompress(known));
            for len in 0..known.len() {
                assert_eq!(uncompress(&known[..len]), None, "{len}");
                let mut wrong = known.to_vec();
                wrong[len] ^= 0x55;
                assert_ne!(uncompress(&wrong), uncompress(known), "{len}");
            }
        }
    }
}
