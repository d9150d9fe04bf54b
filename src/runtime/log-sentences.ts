// Each event for a person at a terminal: one sentence with its facts. docs/replies.md has the events and
// their fields; how a sentence is filled in is in log-sentence.ts.
//
//   {field}          its value; a duration where the name ends in "ms"
//   {field:noun}     a number of things: "1 id", "2 ids"
//   {if field}       nothing; the part is printed when the field is true
//   {unless field}   nothing; the part is printed when the field is false
//   [ … ]            a part that is left out when one of its fields is missing

export const sentences: ReadonlyMap<string, string> = new Map(
  Object.entries({
    "config.warning": "The setting {key} may not be what you meant: {warning}",
    "gateway.trace_name_lost":
      "The name of this data folder can't be used, so mail that comes back is recognised only within this run: {error}",

    "submission.accepted":
      "Accepted submission {submission}[ of task {task}][ without a task id{if unkeyed}][ by {user}][ from {from}]" +
      "[ to {recipients}]: {queued} queued, {repeats:repeat}, {size:octet}[, {observed} observed].",
    "transmission.repeat":
      "Dropped a repeat of {messageId}[ to {recipient}][ of task {task}], which is {standing}" +
      "[; its body differs from the first one's{if bodyDiffers}][ of {firstAt}][, and came at {thisAt}].",
    "observe.repeat":
      "Relayed a repeat[ to {recipient}][ of task {task}] as {messageId}, which mode enforce would have dropped: the first " +
      "one, {first}, is {standing}[ since {firstAt}][; its body differs from the first one's{if bodyDiffers}].",
    "observe.conflict":
      "Relayed {messageId}[ to {recipient}][ of task {task}], which mode enforce would have refused: {first}[, {standing}]" +
      "[ since {firstAt}], is another mail of this task to this recipient.",
    "observe.doubtful":
      "Relayed {messageId}[ to {recipient}][ of task {task}], which mode enforce would have kept back: {first} was attempted " +
      "without an answer.",
    "observe.refused":
      "Relayed submission {submission} from {client}[, user {user},] which mode enforce would have refused: {reply}",
    "transmission.body_differs":
      "{messageId}[ to {recipient}][ of task {task}] was attempted before with another body, so the recipient may get both.",
    "submission.refused": "Refused[ submission {submission}] from {client}[, user {user}]: {reply}",
    "submission.conflict":
      "Submission {submission}[ of task {task}] is another mail under a known id; the policy is {policy}.",
    "identity.weak_task":
      "Task {task} of submission {submission}[, user {user}], may be the id of several tasks ({problem}); it is from {source}.",
    "identity.similar_field":
      "Submission {submission}[, user {user},] has a field {field}, which is not read; {wanted} would be.",
    "identity.field_in_body":
      "The field {field} of submission {submission}[, user {user},] is in the body, where it is not read.",
    "submission.signature_broken":
      "A DKIM signature of submission {submission}[, user {user},] covers fields that mailonce removes, so it fails: {fields}",
    "identity.envid_ignored":
      "Submission {submission}[, user {user},] has no task id but an ENVID that is not a UUID and is not read.",
    "submission.failed": "The client has to try again[ with submission {submission}]: {error}",
    "submission.aborted": "The client went away before the end of the content: {error}",
    "submission.connection_error": "A connection ended with an error: {error}",

    "connection.refused": "Refused a connection of {client}: {reason}",
    "connection.full": "There are {connections:connection}, the most that is allowed, so others are refused.",
    "auth.blocked": "Blocked {address} for {blockMs} after {failures:failed authentication}.",
    "auth.foreign_identity":
      "{client} tried to authenticate as {user} under another identity, and was refused.",
    "auth.failed": "A password could not be verified: {error}",
    "users.reloaded": "Read the users file again: {users:user}.",
    "users.reload_failed": "The new users file is bad, so the users stay as they were: {error}",
    "keys.reloaded": "Read the keys file again: {keys:key}.",
    "keys.reload_failed": "The new keys file is bad, so the keys stay as they were: {error}",
    "api.refused": "Refused a call of {client} to the API of SES: {reason} (request {request})",
    "api.failed": "A call to the API of SES failed: {error} (request {request})",
    "tls.reloaded": "The certificate {certificate} for {names} is in force, until {notAfter}.",
    "tls.reload_failed":
      "The new files of the certificate {certificate} are bad, so the old one stays: {faults}",
    "tls.expires_soon": "The certificate {certificate} for {names} ends in {days:day}, at {notAfter}.",
    "tls.not_yet_valid": "The certificate {certificate} for {names} is not valid before {notBefore}.",
    "connection.ended": "Ended the connection of {client}: {reason}",

    "transmission.relayed":
      "Relayed {messageId}[ to {recipient}][ of task {task}][ without a task id{if unkeyed}] to {upstream} " +
      "(attempt {attempts}, {ms}).",
    "transmission.refused":
      "{upstream} refused {messageId}[ to {recipient}][ of task {task}] at attempt {attempts} ({permanence}" +
      "[, next try in {retryMs}]): {reply}",
    "transmission.doubtful":
      "{messageId}[ to {recipient}] is in doubt after {attempts:attempt}[, as {upstream} may or may not have it] " +
      "(policy {policy}[, after {waitMs} without evidence]): {cause}",
    "evidence.settled":
      "{id}[ ({messageId})][ to {recipient}] is relayed, and not in doubt any more, by what {source} says[ (sent by {by})].",
    "evidence.untold": "What became of {id} is not noted, since the history can't be read: {error}",
    "evidence.later": "Evidence[ about {id}] waits, since the ledger can't be asked: {error}",
    "transmission.set_aside":
      "{upstream} refuses submission {submission} while it takes others ({times:time}), so it waits alone for " +
      "{retryMs}: {reason}",
    "transmission.reported":
      "{messageId}[ to {recipient}] has failed and leaves the queue with report {notice}.",
    "transmission.delayed": "{messageId}[ to {recipient}] is late; report {notice} warns its sender.",
    "report.refused":
      "Report {messageId}[ to {recipient}] was refused, so its sender does not learn of the failure ({reason}): {reply}",
    "report.sender_unverified": "{upstream} would refuse reports from {from}: {error}",
    "report.forbidden": "No report is sent about submission {submission}: {reason}",
    "report.postponed": "The report about submission {submission} waits: {reason}",
    "report.failed": "A report about submission {submission} could not be made, and is tried again: {error}",
    "transmission.expired":
      "{messageId}[ to {recipient}] was not relayed within its lifetime, after {attempts:attempt}.",
    "transmission.second_copy":
      "A second copy is proven of {id}[ ({messageId})][ to {recipient}][ of task {task}], which [{upstream} ]has[ as {upstreamId}]: {cause}",
    "transmission.lost":
      "The content of {messageId}[ to {recipient}], submission {submission}, is lost, so it can't be relayed: {cause}",
    "transmission.stale":
      "The claim of {messageId}[ to {recipient}] (fence {fence}) is no longer ours, since another gateway took it over.",
    "transmission.waiting":
      "{messageId}[ to {recipient}] waits, since another gateway relays it for its own client.",

    "dispatch.paused": "Nothing is relayed to {upstream} for {retryMs}: {reason}",
    "dispatch.still_paused":
      "Nothing has been relayed to {upstream} since {since}[; {waiting:mail} waiting][, {underWay} under way]" +
      "[, the oldest {oldestMs} old]: {reason}",
    "dispatch.try_failed": "A try of {upstream} failed too, the next is in {retryMs}: {reason}",
    "dispatch.silent":
      "{upstream} has taken nothing since {since} ({waiting:mail} waiting[, {underWay} under way]" +
      "[, the oldest {oldestMs} old]): {reason}",
    "dispatch.resumed": "{upstream} answers again[, and {queued:mail} go on].",
    "dispatch.failed": "The disk failed during an attempt, which is made again: {error}",
    "spool.low_space":
      "No mail is taken, since only {free:octet} are free on the disk, and {minimum} are needed.",
    "spool.recovered":
      "Found {transmissions:mail} in the spool: {doubtful} in doubt, {settled} that had been relayed already.",
    "spool.unavailable": "The spool can't be written[ for submission {submission}]: {error}",
    "dispatch.unrecorded":
      "The disk can't record how an attempt ended[ ({failures:failure})], which is tried every second: {error}",
    "ledger.doubtful_found": "Found {ids:id} in doubt: attempted without an answer.",
    "ledger.doubtful_expired":
      "Forgot {id}, which has been in doubt since {firstDate}, longer than the retention.",
    "ledger.generation_opened": "New ids go into generation {generation}, which holds {capacity:id}.",
    "ledger.generation_expired": "Forgot generation {generation} with {ids:id} older than the retention.",
    "ledger.generation_adopted":
      "Added generation {generation}, which the ledger's state does not know: somebody restored an older state.",
    "ledger.filter_rebuilt": "Rebuilt the filter of generation {generation} from {ids:id}.",
    "ledger.filter_unused": "The filter of generation {generation} is not used ({fault}); {consequence}",
    "ledger.filter_unread": "The filter of generation {generation} is built from the ids: {cause}",
    "ledger.filter_missing":
      "Look-ups in generation {generation} are slower, since it has no filter: {cause}",
    "ledger.filter_unsaved": "The filter of generation {generation} could not be saved: {cause}",
    "ledger.taken_over": "Took {id} ({state}) over from a dead gateway.",
    "ledger.settled_stale":
      "An attempt of {id} ended as {settlement} after another gateway had taken it over.",
    "ledger.superseded":
      "Another process runs as this gateway ({gateway}, incarnation {incarnation}), so nothing is relayed here: stop one of them.",
    "ledger.unreachable": "The ledger's database does not answer, so clients have to try again: {error}",
    "ledger.reached": "The ledger's database answers again after {failures:failure}.",
    "ledger.time_stepped_back":
      "The clock of PostgreSQL went back by {ms}, so ids are kept for that much longer.",
    "ledger.full_page_writes_off":
      "full_page_writes of PostgreSQL is off, so a crash of its machine may damage the ledger.",
    "ledger.kind_changed": "The ledger was {from} and is {to}; {consequence}",
    "identity.changed": "Settings that ids depend on have changed ({settings}); {consequence}",
    "ledger.settings_changed":
      "The ledger's settings were changed to version {version}: lease {lease}, retention {retention}" +
      "[, not in force until every gateway has confirmed them{unless inForce}]" +
      "[; the configuration of this gateway still has the old ones{unless configured}].",
    "ledger.settings_unfit":
      "This gateway can't use version {version} of the ledger's settings, so they are not in force: {contradiction}",
    "ledger.identity_changed":
      "The ledger got another secret or other task fields (version {version}): stop this gateway, and start it with them.",
    "ledger.namespace_differs": "The namespaces differ from those of the first gateway of the ledger.",
    "ledger.ttl_off": "DynamoDB does not remove expired items: TTL of table {table} by {attribute} is off.",
    "ledger.sweep_failed": "Expired ids could not be removed, which is tried again later: {cause}",

    "events.silent": "The queue {queue} of SES's events can't be used; mail goes on: {error}",
    "events.read_again": "The queue {queue} of SES's events is read again, after {ms}.",
    "events.held_up":
      "The ledger can't be asked about events of SES, so nothing is read from the queue {queue} until it can.",
    "events.read_on": "The queue {queue} of SES's events is read on, after {ms}.",
    "events.behind":
      "The events of SES in the queue {queue} are read {ms} after they came, and doubt waits {waitMs} for them.",
    "events.caught_up": "The events of SES in the queue {queue} are read as they come again.",
    "events.shared_queue":
      "The queue {queue} is shared with another ledger, {other}; this one is {ledger}. Give each a queue of its own.",
    "events.not_taken":
      "An event about {id} in the queue {queue} could not be judged, and is read again: {error}",
    "events.no_event": "Removed a message from the queue {queue} that is no event: {reason}",
    "upstream.quota":
      "{upstream} takes {rate:mail} a second; {sent} were sent within 24 hours[ of {max}][, {remaining} remain].",
    "upstream.quota_unreadable": "{upstream} does not say what the account may send: {error}",
    "upstream.rate_lowered":
      "{upstream} refuses too many calls as too fast, so it gets only {rate:mail} a second.",
    "upstream.rate_restored": "{upstream} gets its full rate again.",
    "upstream.bad_tags": "{upstream} would refuse tags of {messageId}, which were left out: {left_out}",
    "upstream.unusable": "{upstream} can't be used, so mail is taken and waits: {error}",
    "proxy.ignored": "The proxy variable {variable} is not used: {remark}",

    "http.port_taken":
      "{host}:{port} is in use by another program, so there is no HTTP; set [http] port, or enabled = false.",
    "http.blocked": "Blocked {address} over HTTP for {blockMs} after {failures:wrong token}.",
    "http.signed_in": "{by} ({role}) signed in with a browser from {address}.",
    "http.failed": "A request over HTTP can't be answered: {error}",
    "tokens.reloaded": "Read the tokens file again: {tokens:token}.",
    "tokens.reload_failed": "The new tokens file is bad, so the tokens stay as they were: {error}",

    "gateway.listening":
      "Ready on {host}:{port}[ (listening on {listeners})][, HTTP on {http}][, mailonce {version}]: upstream {upstream}, ledger {ledger} in " +
      "{data_dir}, mode {mode}, mail without a task id: {unkeyed}.",
    "history.unavailable": "The history can't be written; mail goes on without it: {error}",
    "history.resumed": "The history is written again; {missed:note} are missing in it.",
    "history.made_anew": "The history can't be used and begins anew; mail does not depend on it: {error}",
    "data.repaired": "Repaired {file} ({fault}); {consequence}",
    "data.damaged": "{file} of {store} is damaged ({fault}); {consequence}",
    "data.check_failed": "The data folder could not be checked for damage: {error}",
    "data.unsealed": "The seals can't be written, which is tried every second: {error}",
    "operator.retried":
      "An operator[ ({by})] wants {messageId}[ to {recipient}][ of task {task}] attempted now[ ({reason})][; {note}]",
    "operator.held": "An operator[ ({by})] holds {messageId}[ to {recipient}][ of task {task}][ ({reason})]",
    "operator.released":
      "An operator[ ({by})] no longer holds {messageId}[ to {recipient}][ of task {task}][ ({reason})]",
    "operator.bounced":
      "An operator[ ({by})] refused {messageId}[ to {recipient}][ of task {task}]: {reason}",
    "operator.removed":
      "An operator[ ({by})] took {messageId}[ to {recipient}][ of task {task}] out of the queue[ ({reason})]",
    "operator.resolved":
      "An operator[ ({by})] decided that {id}[, {messageId},][ to {recipient}][ of task {task}] is {decision}[ ({reason})]; " +
      "it is now {next}.",
    "operator.forgotten":
      "An operator[ ({by})] let the task of {id} send again[, which was relayed at {relayedAt}][ ({reason})].",
    "operator.paused":
      "An operator[ ({by})] paused {upstreams}[ until {until}][ ({reason})]: nothing is attempted there.",
    "operator.draining":
      "An operator[ ({by})] has the gateway drain[ ({reason})]: no more mail is taken, and it ends when its queue is empty.",
    "gateway.drained": "Drained: the queue is empty.",
    "operator.resumed": "{upstreams} resumed[ by an operator ({by})][ ({reason})].",
    "operator.tried": "{upstreams} took nothing, and is tried at once for an operator[ ({by})][ ({reason})].",
    "operator.unavailable": "mailonce doubtful can't reach this gateway while it runs: {error}",
    "log.resumed":
      "The log can be written again, after {cause} since {since}: {missed:line} lost, {late} follow late.",
    "gateway.stopping": "Stopping: no more mail is accepted, attempts under way have 20 seconds.",
    "gateway.stopped": "Stopped.",
  }),
);
