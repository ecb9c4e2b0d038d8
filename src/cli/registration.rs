//! `portcullis check --registration`: makes one client at a server and deletes it.

use crate::cli::exit;
use crate::cli::output::Output;
use crate::model::Model;
use crate::model::key_manager::KeyManager;
use crate::registration::{
    ClientProperties, ClientWish, KnownClient, RegisteredClient, RegistrationServer, ServerSecrets,
};

/// Tries one key manager of the configuration.
pub(super) async fn try_registration(model: &Model, name: &str, output: Output) -> u8 {
    let found = model.key_managers.iter().find(|own| own.name.as_str() == name);
    let Some(key_manager) = found else {
        output.note(&format!("there is no key manager \"{name}\" in these files"));
        return exit::FAILED;
    };
    match attempt(key_manager, output).await {
        Ok(()) => exit::OK,
        Err(why) => {
            output.line(&format!("  key manager \"{name}\": registration: {why}"));
            exit::FAILED
        }
    }
}

async fn attempt(key_manager: &KeyManager, output: Output) -> Result<(), String> {
    let name = &key_manager.name;
    let kind = key_manager.kind.name();
    let server = RegistrationServer::of(key_manager, ServerSecrets::default())
        .ok_or_else(|| format!("clients at a server of type {kind} cannot be made"))?;
    let client = server.create(&wish()).await.map_err(|failure| failure.to_string())?;
    let RegisteredClient { id, management, .. } = &client;
    output.line(&format!("  key manager \"{name}\": registration: made the client {id}"));
    let known = KnownClient { id, management: management.as_ref() };
    server.delete(known).await.map_err(|failure| {
        format!("the client {id} is left at the server, and must be deleted there: {failure}")
    })?;
    output.line(&format!("  key manager \"{name}\": registration: deleted it again"));
    Ok(())
}

fn wish() -> ClientWish {
    ClientWish {
        name: format!("portcullis-check-{}", uuid::Uuid::new_v4()),
        display_name: "portcullis check".to_owned(),
        owner: "portcullis".to_owned(),
        grant_types: vec!["client_credentials".to_owned()],
        callbacks: Vec::new(),
        scopes: Vec::new(),
        properties: ClientProperties::default(),
        regulatory: false,
        certificate: None,
    }
}
