//! A configuration that a test changes while the outbox goes by it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use holdfast_channels::{Channel, Secret, Webhook};
use holdfast_kernel::id::Millis;
use holdfast_kernel::status::RunStatus;
use holdfast_kernel::tick::ScheduleName;
use holdfast_outbox::{Directory, Letters, Rules};

/// A configuration.
pub(crate) struct Desk(Mutex<Inside>);

struct Inside {
    rules: Arc<Rules>,
    urls: BTreeMap<String, String>,
    give_up_after: Millis,
}

impl Desk {
    /// Rules, and webhooks with their addresses.
    pub(crate) fn new(rules: Rules, urls: &[(&str, String)]) -> Arc<Self> {
        let urls = urls.iter().map(|(name, url)| ((*name).to_owned(), url.clone())).collect();
        let (rules, give_up_after) = (Arc::new(rules), Millis::seconds(86_400));
        Arc::new(Self(Mutex::new(Inside { rules, urls, give_up_after })))
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap()
    }

    /// Gives up what is older than this.
    pub(crate) fn set_give_up_after(&self, after: Millis) {
        self.inside().give_up_after = after;
    }

    /// Goes by other rules.
    pub(crate) fn set_rules(&self, rules: Rules) {
        self.inside().rules = Arc::new(rules);
    }

    /// Gives a channel another address.
    pub(crate) fn set_url(&self, name: &str, url: String) {
        self.inside().urls.insert(name.to_owned(), url);
    }
}

impl Directory for Desk {
    fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.inside().rules)
    }

    fn give_up_after(&self, channel: &str) -> Option<Millis> {
        let inside = self.inside();
        inside.urls.get(channel).map(|_| inside.give_up_after)
    }

    fn channel(&self, name: &str) -> Result<Channel, String> {
        let url = self.inside().urls.get(name).cloned();
        let url = Secret::new(url.ok_or("there is no such channel")?);
        let webhook = Webhook::new(&url, None, &BTreeMap::new());
        webhook.map(Channel::Webhook).map_err(|error| error.to_string())
    }

    fn wants_heartbeat(&self, _schedule: &ScheduleName, status: RunStatus) -> bool {
        status == RunStatus::Succeeded
    }

    fn letters(&self) -> Letters {
        Letters { installation: "rig".to_owned(), host: "vault".to_owned() }
    }
}
