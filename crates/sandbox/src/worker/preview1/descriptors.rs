//! What a guest has open.

use std::path::Path;
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File};

use super::{Errno, Fault};

/// The most that may be open at the same time.
const MOST_OPEN: usize = 200;

/// The number of the granted folder.
const GRANTED: usize = 3;

/// A guest's table of open files.
pub(crate) struct Descriptors(Vec<Option<Descriptor>>);

/// One open file.
pub(crate) enum Descriptor {
    /// What the program is given to read.
    Stdin,
    /// What is printed; on standard error or not.
    Print {
        /// Whether this is standard error.
        is_error: bool,
    },
    /// What speaks with the host.
    Control,
    /// A folder.
    Folder(Folder),
    /// A file.
    File(Open),
}

/// An open folder.
pub(crate) struct Folder {
    /// What is in it.
    pub(crate) place: Place,
    /// The path at which the guest finds it, if it had it from the beginning.
    pub(crate) name: Option<&'static str>,
    /// Whether what is in it may be changed.
    pub(crate) may_write: bool,
    /// What was in it when the guest began to read its list.
    pub(crate) list: Vec<Entry>,
}

/// What is behind a folder.
#[derive(Clone)]
pub(crate) enum Place {
    /// Nothing: an empty folder, in which nothing can be made.
    Empty,
    /// Only the file that speaks with the host.
    Control,
    /// A folder of the machine.
    Real(Arc<Dir>),
}

/// One line of a folder's list.
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) inode: u64,
    pub(crate) kind: u8,
}

/// An open file.
pub(crate) struct Open {
    pub(crate) file: File,
    pub(crate) may_read: bool,
    pub(crate) may_write: bool,
    /// Whether every write goes to the end.
    pub(crate) appends: bool,
}

impl Folder {
    /// A folder that was opened within another.
    pub(crate) fn within(place: Place, may_write: bool) -> Self {
        Self { place, name: None, may_write, list: Vec::new() }
    }

    fn given(place: Place, name: &'static str, may_write: bool) -> Descriptor {
        let name = Some(name);
        Descriptor::Folder(Self { place, name, may_write, list: Vec::new() })
    }

    /// The folder of the machine; in an empty one there is nothing.
    pub(crate) fn real(&self) -> Result<Arc<Dir>, Fault> {
        match &self.place {
            Place::Real(folder) => Ok(Arc::clone(folder)),
            Place::Empty | Place::Control => Err(Errno::NoEntry.into()),
        }
    }

    /// The folder of the machine, to change something in it.
    pub(crate) fn to_change(&self) -> Result<Arc<Dir>, Fault> {
        match &self.place {
            Place::Real(folder) if self.may_write => Ok(Arc::clone(folder)),
            _ => Err(Errno::ReadOnly.into()),
        }
    }
}

impl Descriptors {
    /// What every guest begins with: three streams, a folder that is empty until one is granted, and
    /// the file that speaks with the host.
    pub(crate) fn new() -> Self {
        Self(vec![
            Some(Descriptor::Stdin),
            Some(Descriptor::Print { is_error: false }),
            Some(Descriptor::Print { is_error: true }),
            Some(Folder::given(Place::Empty, "/work", false)),
            Some(Folder::given(Place::Control, "/.mynah", false)),
        ])
    }

    /// Puts a folder of the machine where the empty one was.
    pub(crate) fn grant(&mut self, folder: &Path) -> std::io::Result<()> {
        let place = Place::Real(Arc::new(Dir::open_ambient_dir(folder, ambient_authority())?));
        self.0[GRANTED] = Some(Folder::given(place, "/work", true));
        Ok(())
    }

    /// Adds a folder that can only be read.
    pub(crate) fn lend(&mut self, folder: &Path) -> std::io::Result<()> {
        let place = Place::Real(Arc::new(Dir::open_ambient_dir(folder, ambient_authority())?));
        self.0.push(Some(Folder::given(place, "/lib", false)));
        Ok(())
    }

    /// Opens something under the lowest free number.
    pub(crate) fn add(&mut self, descriptor: Descriptor) -> Result<u32, Fault> {
        let free = self.0.iter().position(Option::is_none).unwrap_or(self.0.len());
        if free >= MOST_OPEN {
            return Err(Errno::TooManyOpen.into());
        }
        if free == self.0.len() {
            self.0.push(None);
        }
        self.0[free] = Some(descriptor);
        Ok(free as u32)
    }

    /// What is open under a number.
    pub(crate) fn get(&mut self, fd: u32) -> Result<&mut Descriptor, Fault> {
        let slot = self.0.get_mut(fd as usize).and_then(Option::as_mut);
        slot.ok_or(Fault::Errno(Errno::BadDescriptor))
    }

    /// The folder under a number.
    pub(crate) fn folder(&mut self, fd: u32) -> Result<&mut Folder, Fault> {
        match self.get(fd)? {
            Descriptor::Folder(folder) => Ok(folder),
            _ => Err(Errno::NotDirectory.into()),
        }
    }

    /// The file under a number.
    pub(crate) fn file(&mut self, fd: u32) -> Result<&mut Open, Fault> {
        match self.get(fd)? {
            Descriptor::File(file) => Ok(file),
            Descriptor::Folder(_) => Err(Errno::IsDirectory.into()),
            _ => Err(Errno::NotSeekable.into()),
        }
    }

    /// Closes what is open under a number. What a guest begins with stays.
    pub(crate) fn close(&mut self, fd: u32) -> Result<(), Fault> {
        if let Descriptor::Folder(Folder { name: Some(_), .. }) = self.get(fd)? {
            return Err(Errno::NotSupported.into());
        }
        self.0[fd as usize] = None;
        Ok(())
    }

    /// Gives what is open under one number another one.
    pub(crate) fn renumber(&mut self, fd: u32, onto: u32) -> Result<(), Fault> {
        self.get(fd)?;
        if fd != onto {
            self.close(onto)?;
            self.0.swap(fd as usize, onto as usize);
        }
        Ok(())
    }

    /// Whether a number is the file that speaks with the host.
    pub(crate) fn is_control(&mut self, fd: u32) -> bool {
        matches!(self.get(fd), Ok(Descriptor::Control))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_free_number_is_taken_and_bounds_hold() {
        let mut table = Descriptors::new();
        assert_eq!(table.add(Descriptor::Stdin).unwrap(), 5);
        assert_eq!(table.add(Descriptor::Control).unwrap(), 6);
        table.close(5).unwrap();
        assert_eq!(table.add(Descriptor::Control).unwrap(), 5);
        assert!(table.is_control(6) && !table.is_control(0) && !table.is_control(u32::MAX));
        assert!(matches!(table.close(3), Err(Fault::Errno(Errno::NotSupported))));
        assert!(matches!(table.close(99), Err(Fault::Errno(Errno::BadDescriptor))));
        table.renumber(6, 0).unwrap();
        assert!(table.is_control(0) && !table.is_control(6));
        while table.add(Descriptor::Stdin).is_ok() {}
        assert_eq!(table.0.len(), MOST_OPEN);
    }
}
