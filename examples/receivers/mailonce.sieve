# Drops the second copy of a mail that came through mailonce (Sieve, RFC 5228, 5229, 7352), for Dovecot with Pigeonhole
# and for Cyrus. docs/receivers.md says how to install it. Dovecot needs sieve_duplicate_max_period = 31d with it.
require ["duplicate", "variables"];

# Only mail of mailonce has this field. SES overwrites Message-ID and Date, and keeps it.
if header :matches "x-mailonce-id" "<?*@?*>" {
  set "id" "${0}";
  # With the sender, so that nobody else can use the id first and have the real mail dropped. With the subject, for
  # mailers without task ids that give all their mails one Message-ID: it is in this field too.
  if address :matches "from" "*" { set "from" "${0}"; }
  if header :matches "subject" "*" { set "subject" "${0}"; }
  # 30 days, as long as mailonce itself remembers a mail ([ledger] retention).
  if duplicate :handle "mailonce" :uniqueid "${id} ${from} ${subject}" :seconds 2592000 {
    discard;
    stop;
  }
}
