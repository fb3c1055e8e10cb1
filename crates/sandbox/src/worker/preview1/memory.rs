//! A guest's memory: every access is within it, or a fault that the guest is told of.

use super::{Errno, Fault};

/// The whole memory of a guest.
pub(crate) struct Bytes<'m>(pub(crate) &'m mut [u8]);

/// A piece of memory that a guest names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    pub(crate) at: u32,
    pub(crate) length: u32,
}

/// The most pieces that one call may name.
const MOST_PIECES: u32 = 1024;

impl Bytes<'_> {
    /// The bytes of a piece.
    pub(crate) fn piece(&mut self, at: u32, length: u32) -> Result<&mut [u8], Fault> {
        let (at, length) = (at as usize, length as usize);
        let end = at.checked_add(length).ok_or(Errno::Fault)?;
        self.0.get_mut(at..end).ok_or(Fault::Errno(Errno::Fault))
    }

    /// A text, such as a path.
    pub(crate) fn text(&mut self, at: u32, length: u32) -> Result<String, Fault> {
        let bytes = self.piece(at, length)?;
        let text = std::str::from_utf8(bytes).map_err(|_| Errno::NotUnicode)?;
        Ok(text.to_owned())
    }

    /// Writes bytes.
    pub(crate) fn put(&mut self, at: u32, bytes: &[u8]) -> Result<(), Fault> {
        self.piece(at, bytes.len() as u32)?.copy_from_slice(bytes);
        Ok(())
    }

    /// Writes a number.
    pub(crate) fn put_u32(&mut self, at: u32, number: u32) -> Result<(), Fault> {
        self.put(at, &number.to_le_bytes())
    }

    /// Writes a number.
    pub(crate) fn put_u64(&mut self, at: u32, number: u64) -> Result<(), Fault> {
        self.put(at, &number.to_le_bytes())
    }

    /// Reads bytes.
    pub(crate) fn get<const N: usize>(&mut self, at: u32) -> Result<[u8; N], Fault> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.piece(at, N as u32)?);
        Ok(bytes)
    }

    /// Reads the list of pieces that a call reads into or writes from.
    pub(crate) fn pieces(&mut self, at: u32, count: u32) -> Result<Vec<Piece>, Fault> {
        if count > MOST_PIECES {
            return Err(Errno::Invalid.into());
        }
        (0..count)
            .map(|i| {
                let at = at.checked_add(8 * i).ok_or(Errno::Fault)?;
                let [a, b, c, d, e, f, g, h] = self.get(at)?;
                let (at, length) =
                    (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
                Ok(Piece { at, length })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_is_reached() {
        let mut memory = [7; 16];
        let mut bytes = Bytes(&mut memory);
        assert!(bytes.piece(16, 0).is_ok());
        for (at, length) in [(16, 1), (0, 17), (u32::MAX, u32::MAX), (17, 0)] {
            assert!(matches!(bytes.piece(at, length), Err(Fault::Errno(Errno::Fault))));
        }
        assert!(bytes.put_u64(9, 1).is_err());
        assert!(bytes.pieces(u32::MAX - 3, 2).is_err());
        assert!(bytes.pieces(0, MOST_PIECES + 1).is_err());
        assert!(matches!(bytes.text(0, 16), Ok(text) if text.len() == 16));
        bytes.put(0, &[0xff]).unwrap();
        assert!(matches!(bytes.text(0, 1), Err(Fault::Errno(Errno::NotUnicode))));
    }
}
