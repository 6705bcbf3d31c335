//! What operators do in a rehearsal: they let runs go on, say what became of what is in doubt, and let old runs be
//! forgotten. They always tell the truth: they look at the world first.

use holdfast_drive::input::{Ended, Input, Token};
use holdfast_drive::output::Reply;
use holdfast_journal::query::Loaded;
use holdfast_journal::retain::Forgotten;
use holdfast_kernel::definition::Definition;
use holdfast_kernel::event::Verdict;
use holdfast_kernel::id::{ItemIndex, RunId, StepIndex};
use holdfast_kernel::payload::Payload;
use holdfast_kernel::reopen::{Selection, plan};
use holdfast_kernel::state::{Mark, RunState};

use crate::chance::hash;
use crate::driver::{Driver, Stop, program};
use crate::outside::Outside;
use crate::world::Truth;

/// What is said of a run that is to be forgotten.
pub(crate) enum Forget {
    /// That it be forgotten. As it was then.
    Asked(RunId, Box<Loaded>),
    /// That it go on, too late.
    TooLate(RunId),
}

impl Driver {
    /// Somebody looks at the world, and says of one item in doubt of an active run what became of it.
    pub(crate) fn resolve_one(&mut self) {
        let found = self.drive.active().find_map(|state| {
            let (_, program) = self.drive.run(state.run())?;
            let (step, item, verdict) = self.doubtful(&program.definition, state).next()?;
            Some((state.run(), step, item, verdict))
        });
        if let Some((run, step, item, verdict)) = found {
            self.say(run, None, (step, item), verdict);
        }
    }

    /// Somebody says of the first item in doubt of an ended run what became of it.
    ///
    /// # Errors
    /// The run cannot be read.
    pub fn resolve_first(&mut self, run: RunId) -> Result<(), String> {
        let loaded = self.reader.load(run).map_err(|error| error.to_string())?;
        let Some(loaded) = loaded else { return Ok(()) };
        let first = self.doubtful(&loaded.definition, &loaded.state).next();
        if let Some((step, item, verdict)) = first {
            let program = program(&loaded.definition, self.script);
            let ended = Ended { program, state: loaded.state };
            self.say(run, Some(Box::new(ended)), (step, item), verdict);
        }
        Ok(())
    }

    fn say(
        &mut self,
        run: RunId,
        ended: Option<Box<Ended>>,
        (step, item): (StepIndex, ItemIndex),
        verdict: Verdict,
    ) {
        let (by, token) = ("an operator".to_owned(), Token(u64::MAX));
        let input = Input::Resolve { ended, run, step, item, verdict, by, token };
        self.drive.accept(input, self.outside.clock());
    }

    /// The items of a run that are in doubt and of which nothing is on its way, with the truth about them.
    fn doubtful<'a>(
        &'a self,
        definition: &'a Definition,
        state: &'a RunState,
    ) -> impl Iterator<Item = (StepIndex, ItemIndex, Verdict)> + 'a {
        (0..).map(StepIndex).zip(&state.steps).flat_map(move |(step, of)| {
            let unknown = of.items.not_ok.iter().filter(|(_, mark)| *mark == Mark::Unknown);
            unknown.flat_map(|(range, _)| range).filter_map(move |item| {
                let item = ItemIndex(item);
                let epoch = of.items.epoch(item);
                let key = Outside::key(definition, state.run(), step, item, epoch);
                let truth = self.outside.world.truth(key);
                (!truth.pending).then(|| (step, item, verdict_of(&truth)))
            })
        })
    }

    /// What of a run an operator wants: all of it, or one step or item that is not ok.
    fn selection(&self, definition: &Definition, state: &RunState) -> Selection {
        let narrows = hash(self.script.seed, &[state.run().bytes(), &state.period.to_le_bytes()]);
        let steps = (0..).map(StepIndex).zip(&state.steps);
        let mut parts = steps.filter_map(|(step, of)| {
            let part = match (narrows % 3, of.items.not_ok.first()) {
                (0, Some(item)) => Selection::Item(step, ItemIndex(item)),
                (1, _) => Selection::Step(step),
                (_, _) => return None,
            };
            plan(definition, state, part).is_ok().then_some(part)
        });
        parts.next().unwrap_or(Selection::All)
    }

    /// An operator wants an ended run to go on. Whether it does.
    ///
    /// # Errors
    /// The run cannot be read.
    pub fn retry(&mut self, run: RunId) -> Result<bool, String> {
        let loaded = self.reader.load(run).map_err(|error| error.to_string())?;
        let Some(loaded) = loaded else {
            let is_meant = self.forgotten.contains_key(&run);
            return if is_meant { Ok(false) } else { Err(format!("{run} is gone")) };
        };
        let state = loaded.state;
        if plan(&loaded.definition, &state, Selection::All).is_err() {
            return Ok(false);
        }
        let selection = self.selection(&loaded.definition, &state);
        for (step, of) in (0..).map(StepIndex).zip(&state.steps) {
            let doubtful = |mark| matches!(mark, Mark::Unknown | Mark::FailedInDoubt);
            let marked = of.items.not_ok.iter().filter(|(_, mark)| doubtful(*mark));
            for item in marked.flat_map(|(range, _)| range).map(ItemIndex) {
                self.doubts.insert((run, step, item), of.items.epoch(item));
            }
        }
        self.told.remove(&run);
        let ended = Box::new(Ended { program: program(&loaded.definition, self.script), state });
        let (by, token) = ("an operator".to_owned(), Token(u64::MAX));
        let input = Input::Retry { ended, selection, by, token };
        self.drive.accept(input, self.outside.clock());
        Ok(true)
    }

    /// What became of what nobody waits for but the rehearsal.
    pub(crate) fn replied(&mut self, reply: &Reply, token: Token) -> Result<(), Stop> {
        let Some(run) = self.forgetting.remove(&token) else { return Ok(()) };
        match (reply, run) {
            (Reply::Done, Forget::Asked(run, loaded)) => {
                self.forgotten.insert(run, true);
                // Somebody read it before, and wants it to go on now.
                let program = program(&loaded.definition, self.script);
                let ended = Box::new(Ended { program, state: loaded.state });
                let token = self.token(Forget::TooLate(run));
                let (by, selection) = ("an operator".to_owned(), Selection::All);
                let input = Input::Retry { ended, selection, by, token };
                self.drive.accept(input, self.outside.clock());
                Ok(())
            }
            (Reply::Refused(_), Forget::TooLate(_)) => Ok(()),
            (reply, Forget::Asked(run, _) | Forget::TooLate(run)) => {
                Err(Stop::Fault(format!("{run} was to be forgotten: {reply:?}")))
            }
        }
    }

    fn token(&mut self, of: Forget) -> Token {
        self.next_token += 1;
        let token = Token(self.next_token);
        self.forgetting.insert(token, of);
        token
    }

    /// Some of the runs that have ended are forgotten, but none that another one goes back to.
    pub(crate) fn forget(&mut self, run: RunId) -> Result<(), Stop> {
        let loaded = self.reader.load(run).map_err(|error| Stop::Fault(error.to_string()))?;
        let Some(loaded) = loaded.filter(|of| of.state.request.initiator.parent().is_none()) else {
            return Ok(());
        };
        self.forgotten.insert(run, false);
        let token = self.token(Forget::Asked(run, Box::new(loaded)));
        let forgotten = Forgotten { runs: vec![run], ..Forgotten::default() };
        let by = "an operator".to_owned();
        self.drive.accept(Input::Forget { forgotten, by, token }, self.outside.clock());
        Ok(())
    }
}

fn verdict_of(truth: &Truth) -> Verdict {
    if truth.happened > 0 { Verdict::Done(Payload::empty()) } else { Verdict::NotDone }
}
