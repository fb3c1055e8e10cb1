//! Going on with a conversation that the log has.

use mynah_store as store;

use super::conversation::Conversation;
use crate::failure::Hint as _;
use crate::log::LogArgs;
use crate::session::Message;

/// What the last conversation is called by.
pub(super) const LAST: &str = "last";

/// Finds it: by its identifier, or the last one.
///
/// # Errors
/// If there is none.
pub(super) fn find(args: &LogArgs, id: &str) -> anyhow::Result<store::Conversation> {
    let hint = "`mynah logs` shows what was kept";
    let Some(store) = args.database.open_existing()? else {
        let path = args.database.path()?;
        return Err(anyhow::anyhow!("nothing is kept yet in {}", path.display())).hint(hint);
    };
    store.conversation(Some(id).filter(|&id| id != LAST)).hint(hint)
}

/// Makes it the conversation that is had. Returns what it is known by.
pub(super) fn take_up(kept: store::Conversation, conversation: &mut Conversation) -> String {
    for message in kept.messages {
        match message.role {
            store::Role::System => {
                // What was said now goes before what was said then.
                conversation.system.get_or_insert(message.text);
            }
            store::Role::User => conversation.messages.push(Message::user(message.text)),
            store::Role::Assistant => conversation.messages.push(Message::assistant(message.text)),
            store::Role::Tool => {}
        }
    }
    kept.id
}
