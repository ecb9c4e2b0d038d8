//! Remembers refused exchanges for `explain --denial`.

use crate::authenticate::Principal;
use crate::proxy::exchange::Exchange;
use crate::proxy::exchange_facts::ExchangeOutcome;
use crate::telemetry::refusals::Remembered;

impl Exchange {
    /// Remembers a refusal that its client can name.
    pub(super) fn remember(&mut self) {
        let ExchangeOutcome { status, reason } = self.outcome;
        let id = self.head.request_id.as_ref().and_then(|id| id.to_str().ok());
        let Some(id) = id else { return };
        let text = Remembered::text;
        let place = self.api.as_ref().map(|(api, position)| (&api.definition, *position));
        let operation = place
            .and_then(|(api, position)| api.operations.get(position?))
            .map(|operation| text(operation.template.as_str()));
        self.worker.refusals().keep(Remembered {
            id: text(id),
            at: self.worker.cache().moment(),
            time: self.began,
            reason,
            status,
            message: text(self.message.as_deref().unwrap_or_default()),
            method: text(self.request.method.as_str()),
            host: text(self.host()),
            path: text(self.path()),
            client: self.head.client,
            api: place.map(|(api, _)| text(&format!("{} {}", api.name, api.version))),
            operation,
            key_manager: self.key_manager().map(text),
            application: self.caller.names.as_ref().map(|names| text(&names.application)),
            consumer_key: self
                .caller
                .principal
                .as_ref()
                .and_then(Principal::consumer_key)
                .map(text),
            token: self.caller.token.take(),
        });
    }
}
