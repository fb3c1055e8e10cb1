//! Which candidates do the same.

/// Candidates that behave alike.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Group {
    /// Their places, rising.
    pub members: Vec<usize>,
}

/// How far candidates agree.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Agreement {
    /// The groups, the largest first; of groups of one size, the one that began earliest.
    pub groups: Vec<Group>,
    /// How many candidates there were, those that did not work included.
    pub of: usize,
}

impl Agreement {
    /// Groups candidates by what they do; those without a behaviour did not work and are in no
    /// group.
    pub fn of<B: PartialEq>(behaviours: &[Option<B>]) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        for (place, behaviour) in behaviours.iter().enumerate() {
            if behaviour.is_none() {
                continue;
            }
            let same = |group: &&mut Group| behaviours[group.members[0]] == *behaviour;
            match groups.iter_mut().find(same) {
                Some(group) => group.members.push(place),
                None => groups.push(Group { members: vec![place] }),
            }
        }
        groups.sort_by_key(|group| std::cmp::Reverse(group.members.len()));
        Self { groups, of: behaviours.len() }
    }

    /// How many candidates are in the largest group.
    pub fn largest(&self) -> usize {
        self.groups.first().map_or(0, |group| group.members.len())
    }

    /// The first candidate of the largest group, if any works.
    pub fn kept(&self) -> Option<usize> {
        self.groups.first().map(|group| group.members[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_group_is_kept() {
        let seen = Agreement::of(&[Some("a"), None, Some("b"), Some("c"), Some("b")]);
        assert_eq!((seen.kept(), seen.largest(), seen.of), (Some(2), 2, 5));
        assert_eq!(seen.groups.len(), 3);
        // Equally large: the earlier.
        assert_eq!(Agreement::of(&[Some(2), Some(1)]).kept(), Some(0));
        assert_eq!(Agreement::of::<u8>(&[None, None]).kept(), None);
        assert_eq!(Agreement::of::<u8>(&[]).largest(), 0);
    }
}
