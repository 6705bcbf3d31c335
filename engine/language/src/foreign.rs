//! Keys and words of other workflow languages, each answered with ours.
//!
//! It only knows words; where they may stand is the matter of the table of keys.

use crate::shape::{FOR_EACH, INPUT, OVERLAP, Place, RETRY, RUN_WHEN, SCHEDULE, STEP, WORKFLOW};

/// What to write for a key of another tool at this place.
pub(crate) fn key(place: &Place, key: &str) -> Option<&'static str> {
    // The same word may be a typing mistake of one place and a foreign key of another.
    if place.name == STEP.name {
        step_key(key)
    } else if place.name == WORKFLOW.name {
        workflow_key(key)
    } else if place.name == INPUT.name {
        Some(match key {
            "optional" => "An input is optional unless it says `required: true`.",
            "values" | "options" | "choices" => "Write `enum: [...]`.",
            "regex" | "match" => "Write `pattern:`.",
            "minimum" | "min_length" | "minLength" => "Write `min:`.",
            "maximum" | "max_length" | "maxLength" => "Write `max:`.",
            _ => return None,
        })
    } else if place.name == FOR_EACH.name {
        Some(match key {
            "list" | "in" | "with_items" | "values" => "Write `items:`.",
            "var" | "loop_var" | "item" => "Write `as:`.",
            "max_concurrency" | "parallelism" | "concurrency" | "max-parallel" => {
                "Write `max_parallel:`."
            }
            "when" | "if" | "filter" => "Write `where:`.",
            "fail-fast" => "Write `fail_fast:`.",
            _ => return None,
        })
    } else if place.name == RETRY.name {
        Some(match key {
            "retries" | "limit" | "max_attempts" | "times" | "count" => {
                "Write `attempts:`; it counts the first attempt."
            }
            "interval" | "wait" | "initial_delay" => "Write `delay:`.",
            "factor" | "multiplier" => "Write `backoff:`.",
            _ => return None,
        })
    } else if place.name == SCHEDULE.name {
        Some(match key {
            "name" => "Write `id:`.",
            "schedule" | "expression" | "at" => "Write `cron:`.",
            "tz" | "timeZone" | "zone" => "Write `timezone:`.",
            "with" | "params" | "parameters" | "args" => "Write `inputs:`.",
            "concurrencyPolicy" | "concurrency" | "max_active_runs" => "Write `overlap:`.",
            "startingDeadlineSeconds" | "misfire_grace_time" => "Write `catch_up_window:`.",
            _ => return None,
        })
    } else {
        None
    }
}

fn step_key(key: &str) -> Option<&'static str> {
    Some(match key {
        "run" | "script" | "shell" | "cmd" | "command" => {
            "Write `uses: command` and `with: { argv: [program, argument] }`; there is no shell."
        }
        "name" => "Write `id:` for the name others refer to, `description:` for people.",
        "action" | "type" | "plugin" => "Write `uses:`.",
        "when" | "only_if" | "condition" => {
            "Write `if:` for a condition on values, `run_when:` for how the steps before it ended."
        }
        "depends_on" | "dependsOn" | "depends-on" | "depends" | "dependencies" | "after" => {
            "Write `needs: [step]`."
        }
        "with_items" | "loop" | "matrix" | "foreach" | "withItems" | "withParam" | "strategy" => {
            "Write `for_each: \"{{ list }}\"`."
        }
        "ignore_errors" | "continue-on-error" | "continueOnError" | "continueOn"
        | "allow_failure" => "Write `continue_on_error: true`; the run is then partial at best.",
        "timeout-minutes"
        | "timeoutMinutes"
        | "timeout_minutes"
        | "timeout_seconds"
        | "activeDeadlineSeconds" => "Write `timeout: 15m`.",
        "params" | "parameters" | "args" | "arguments" | "inputs" => "Write `with:`.",
        "environment" => "Write `env:`.",
        "retries" | "retryStrategy" | "max_retries" => "Write `retry: { attempts: 3 }`.",
        "outputs" | "register" => "A step's output needs no declaration: read `steps.ID.output`.",
        "always" | "trigger_rule" => "Write `run_when: done`.",
        "<<" => "Maps are not merged; write the keys out.",
        _ => return None,
    })
}

fn workflow_key(key: &str) -> Option<&'static str> {
    Some(match key {
        "jobs" | "tasks" | "stages" | "templates" => {
            "Write `steps:`, one list; `needs` on a step says what it waits for."
        }
        "params" | "parameters" | "vars" | "variables" | "arguments" => "Write `inputs:`.",
        "version" | "apiVersion" => "Write `holdfast: 1`.",
        "env" | "environment" => "Write `env:` on the step that needs it.",
        "timeout-minutes" | "timeoutMinutes" => "Write `timeout: 2h`.",
        "schedule" | "cron" | "triggers" => "Schedules are part of `on:`.",
        "onExit" | "always" | "post" => "What runs at the end is `finally:`.",
        "secret" => "Write `secrets:`.",
        "retry" => "Write `defaults: { retry: ... }`.",
        "kind" => "Write `operation:`.",
        "<<" => "Maps are not merged; write the keys out.",
        _ => return None,
    })
}

/// What to write for a word of another tool, where one of `ours` is wanted.
pub(crate) fn word(ours: &[&str], word: &str) -> Option<&'static str> {
    if ours == RUN_WHEN {
        return Some(match word {
            "always" | "always()" | "all_done" | "completed" | "finished" => "Write `done`.",
            "success" | "success()" | "all_success" | "on_success" | "succeeded" => "Write `ok`.",
            "failure" | "failure()" | "on_failure" | "one_failed" | "error" => "Write `failed`.",
            _ => return None,
        });
    }
    if ours == OVERLAP {
        return Some(match word {
            "forbid" | "Forbid" => "Write `skip`.",
            "queue" | "Queue" => "Write `queue_one`, or `queue_all` if each of them is to run.",
            _ => return None,
        });
    }
    Some(match word {
        "int" => "Write `integer`.",
        "str" | "text" => "Write `string`.",
        "bool" => "Write `boolean`.",
        "float" | "double" => "Write `number`.",
        "array" | "sequence" => "Write `list`.",
        "object" | "dict" | "mapping" => "Write `map`.",
        "choice" => "Write `string` with `enum: [...]`.",
        _ => return None,
    })
}

/// What to write for a function of another tool.
pub(crate) fn function(name: &str) -> Option<&'static str> {
    Some(match name {
        "success" => "A step runs after success by itself; leave it out.",
        "always" => "Write `run_when: done` on the step.",
        "failure" | "failed" => "Write `run_when: failed` on the step.",
        "cancelled" | "canceled" => "After a cancel no step starts.",
        "contains" => "Write `part in whole`.",
        "startsWith" => "Write `text is startingwith \"start\"`.",
        "endsWith" => "Write `text is endingwith \"end\"`.",
        "format" => "Write `\"%s\" | format(value)`, or put templates into the text.",
        "join" => "Write `list | join(\", \")`.",
        "toJSON" | "tojson" => "Write `value | tojson`.",
        "len" | "length" | "size" => "Write `list | length`.",
        _ => return None,
    })
}

/// What to write for a name that other tools have in scope and expressions here do not.
pub(crate) fn name(name: &str) -> Option<&'static str> {
    Some(match name {
        "env" | "environment" | "ENV" | "environ" | "os" => {
            "Expressions cannot read the environment. Declare an input, or a secret with `{ env: NAME }`."
        }
        "now" | "date" | "time" | "timestamp" | "utcnow" => {
            "There is no clock in expressions. `run.started_at` is when the run started."
        }
        "random" | "uuid" => "There is no chance in expressions. `run.id` is unique to the run.",
        "file" | "open" | "lookup" | "include" => "Expressions cannot read files.",
        "needs" => "Write `steps.ID.output` for what a step returned.",
        "outputs" | "output" => "Write `steps.ID.output`.",
        "params" | "parameters" | "vars" | "var" | "input" | "workflow" => "Write `inputs.NAME`.",
        "github" | "ctx" | "context" => "Write `run` for the run, `inputs` for its inputs.",
        "secret" => "Write `secrets.NAME`.",
        "step" | "tasks" | "jobs" => "Write `steps.ID`.",
        _ => return None,
    })
}
