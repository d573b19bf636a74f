//! `tidegate admin-token list`: every token of the file and its state, for people or for
//! programs.

use std::io::Write;

use comfy_table::{Table, presets};
use serde_json::json;

use super::ListTokensArgs;
use crate::admin::tokens::TokenRecord;
use crate::cli::credentials as records;

/// Writes the table, or the JSON.
pub(super) fn run(args: &ListTokensArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let tokens: Vec<TokenRecord> = records::read(&args.file.admin_tokens_file)?;
    let rows = tokens.iter().map(json_of).collect();
    records::tell(out, args.json, &table_of(&tokens), rows)
}

fn table_of(tokens: &[TokenRecord]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["ID", "NAME", "ROLE", "STATE", "CREATED"]);
    for token in tokens {
        table.add_row([
            token.id.clone(),
            token.name.clone(),
            token.role.to_string(),
            state(token).to_owned(),
            token.created.to_string(),
        ]);
    }
    table
}

fn json_of(token: &TokenRecord) -> serde_json::Value {
    json!({
        "id": token.id,
        "name": token.name,
        "role": token.role,
        "state": state(token),
        "created": token.created,
        "revoked": token.revoked,
    })
}

fn state(token: &TokenRecord) -> &'static str {
    match token.revoked {
        Some(_) => "revoked",
        None => "in force",
    }
}
