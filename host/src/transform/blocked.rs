//! What is told of a publication that the guard stopped: why, and where in its data. Never what
//! stood there, as nobody has agreed to show that.

use std::fmt;

use super::contract;
use super::descriptor::Descriptor;
use super::guard::Block;
use super::guest_log::printable;
use super::schema::Offence;

/// The longest place that is told, in characters.
const MAX_PLACE: usize = 200;

/// A publication that was stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    pub block: Block,
    /// Where its data is not what the schema describes, and by which keyword.
    pub offence: Option<Offence>,
}

impl Blocked {
    /// Looks for the place, which takes a further validation, so only of publications that were
    /// stopped.
    pub(super) fn of(
        block: Block,
        descriptor: &Descriptor,
        publication: &contract::Publication,
    ) -> Self {
        let offence = match block {
            Block::Schema => descriptor
                .message_of(publication)
                .and_then(|message| message.data_schema.offence(&publication.data)),
            Block::Channel | Block::MessageType | Block::Json => None,
        };
        Self { block, offence }
    }

    /// The place as a JSON pointer into the data, as a log may show it; empty where there is none.
    pub fn place(&self) -> String {
        let pointer = self.offence.as_ref().map(|offence| &*offence.pointer);
        printable(pointer.unwrap_or_default(), MAX_PLACE)
    }

    /// The schema's keyword that does not hold; empty where it is not about a schema.
    pub fn keyword(&self) -> &str {
        self.offence.as_ref().map_or("", |offence| &offence.keyword)
    }
}

impl From<Block> for Blocked {
    fn from(block: Block) -> Self {
        Self {
            block,
            offence: None,
        }
    }
}

/// As evidence has it: `schema: maxLength at /price`.
impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.block.label())?;
        match self.keyword() {
            "" => Ok(()),
            keyword => match self.place() {
                place if place.is_empty() => write!(f, ": {keyword} of the data itself"),
                place => write!(f, ": {keyword} at {place}"),
            },
        }
    }
}
