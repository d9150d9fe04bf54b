/* One id and two gateways that share a ledger: every order of their steps. The names are those of docs/protocol.md; README.md
   beside this has the bounds, what is left out, and the function of src/ behind each action.

   All that is known is global, and each option of a process is one step of the code between two waits, so that a crash,
   a stop and a late call can come between any two. Faults have budgets: when they are spent the engine is fair. */

#ifndef SLOTS
#define SLOTS 1              /* mails of the id that a gateway's spool can have */
#endif
#ifndef SUBMITS
#define SUBMITS 2            /* submissions of the task, each to any gateway */
#endif
#ifndef UNFIT
#define UNFIT 0              /* submissions of these that are refused once their id is claimed */
#endif
#ifndef CRASHES
#define CRASHES 0            /* kills; each gateway starts again */
#endif
#ifndef STOPS
#define STOPS 0              /* pauses of a process, each as long as it likes */
#endif
#ifndef CUTS
#define CUTS 0               /* outages of the engine for one gateway */
#endif
#ifndef LOST_CALLS
#define LOST_CALLS 0         /* calls of the engine without an answer: they took effect, never do, or do so late */
#endif
#ifndef LOST_ANSWERS
#define LOST_ANSWERS 0       /* answers of the upstream */
#endif
#ifndef LATERS
#define LATERS 0             /* refusals for now */
#endif
#ifndef REFUSALS
#define REFUSALS 0           /* refusals for good */
#endif
#ifndef DECISIONS
#define DECISIONS 0          /* of operators; two of them can decide at once */
#endif
#ifndef PROOFS
#define PROOFS 0             /* times that evidence of a copy is handed in */
#endif
#ifndef SWEEPS
#define SWEEPS 0             /* doubts that expire */
#endif
#ifndef POLICY_A
#define POLICY_A resend      /* [ledger] doubtful, of gateway A and of B: resend, hold, drop */
#endif
#ifndef POLICY_B
#define POLICY_B POLICY_A
#endif
#ifndef WAITS_A
#define WAITS_A 0            /* 1: reply = "relayed", clients wait for the verdict */
#endif
#ifndef WAITS_B
#define WAITS_B WAITS_A
#endif

#define GATEWAYS 2
#define MAILS (GATEWAYS * SLOTS)
#if DECISIONS > 1 || (DECISIONS > 0 && PROOFS > 0)
#define DECIDERS 2
#else
#define DECIDERS 1
#endif
#define CALLERS (GATEWAYS + MAILS + DECIDERS)   /* of a claim: a submission, a mail of a spool, a decision */
#define NAME(g) (65 + (g))
#define HOME(t) ((t) / SLOTS)

mtype = { absent, claimed, queued, attempted, doubtful, reattempted, reclaimed, remembered, relayed,  /* protocol.ts */
          awaited, failed,                                      /* more results of a claim */
          resend, hold, drop,                                   /* policies for doubt */
          idle, asking, looking, taking, got,                   /* a claim */
          entering, reentering, entered, dropping, withholding, /* a submission */
          lane, noting, noted, confirming, reclaiming, calling, sending, settling, rechecking, recording, recordingOn,
          lapsing, lapsed, redoubting, redoubted, deciding, removing, releasing, ending, recovering,   /* a mail */
          accepted, refused, later,                             /* outcomes of an attempt, beside doubtful */
          notRelayed, evidence, making, making2, giving, made,  /* decisions, beside relayed */
          inserts, takes, changes };                            /* a call that is late */

/* ---- The engine: one record, and one call that is late (engine.ts). */
mtype rState = absent;
byte rFence;
byte rStep;
byte rHolder;                /* 0: nobody; the gateway's number + 1: its present life; GONE: an earlier life */
bit rBound;
#define GONE (GATEWAYS + 1)
mtype late = idle;
byte lateHolder;
byte lateFence;
byte lateStep;
mtype lateState = absent;
bit lateBound;

/* ---- Gateways. */
bit up[GATEWAYS] = 1;
bit stopped[GATEWAYS];
bit cut[GATEWAYS];           /* it can't reach the engine */
byte age[GATEWAYS];          /* of its heartbeat. 0: fresh. 1: too old to transmit. 2: the lease is over */
bit tells[GATEWAYS] = 1;     /* it may say who is dead (heartbeat.ts, tellsTheDead) */
bit waits[GATEWAYS];         /* reply = "relayed" */
#define POLICY(g) (g == 0 -> POLICY_A : POLICY_B)

/* The live claim of each (claims.ts, held.ts). */
bit eLive[GATEWAYS];
byte eFence[GATEWAYS];       /* what its callers know it by; 0 while the engine is asked */
byte eEngine[GATEWAYS];      /* its fence in the engine */
byte eStep[GATEWAYS];
bit eAccepted[GATEWAYS];
bit eAwaited[GATEWAYS];
mtype eDoubt[GATEWAYS] = queued;   /* queued: none. Else attempted, doubtful, reattempted */
bit eUnsaid[GATEWAYS];       /* the engine does not know that it is accepted */
bit eMayBeRelayed[GATEWAYS];
bit eMayBeCleared[GATEWAYS];
byte eTurn[GATEWAYS];        /* whose turn it is, a caller's number + 1 */

/* What each has to give up without a claim (leavings.ts). */
mtype leaving[GATEWAYS] = idle;    /* looking: what is there; changes: this change again */
bit leavingStale[GATEWAYS];
bit leavingLook[GATEWAYS];         /* after the change it is looked on, until no call can be late any more */
bit leavingLast[GATEWAYS];
bit leavingFound[GATEWAYS];
byte leavingFence[GATEWAYS];
byte leavingStep[GATEWAYS];
mtype leavingTo[GATEWAYS] = absent;

/* Decisions that are being made, and carried out (decisions.ts). */
byte opening[GATEWAYS];
byte carrying[GATEWAYS];
bit isMade[GATEWAYS];        /* one is carried out now: nothing comes between */
bit isDecided[GATEWAYS];     /* one said relayed while work kept the id busy */

/* Claims under way, by caller. */
mtype cStep[CALLERS] = idle;
byte cFence[CALLERS];        /* the record that was read */
byte cChange[CALLERS];
mtype cState[CALLERS] = absent;
mtype cResult[CALLERS] = idle;
bit cTry[CALLERS];           /* within an attempt: its entry stays (attempts.ts, isClaimedAgain) */

/* A submission in each gateway. */
mtype submission[GATEWAYS] = idle;

/* Mails: in the spool, durably; and in the memory of their gateway. */
bit inSpool[MAILS];
bit isHeld[MAILS];
bit isAwaited[MAILS];
bit isEnded[MAILS];
bit isOwed[MAILS];           /* a client got, or gets, 250 that rests on it */
mtype work[MAILS] = idle;
mtype outcome[MAILS] = idle;
mtype next[MAILS] = idle;    /* after the work: lane, or idle */
byte claim[MAILS];           /* the fence of its claim */
bit inDoubt[MAILS];
bit isWaiting[MAILS];        /* bound here, awaited there */
bit wasDoubtful[MAILS];
bit aged[MAILS];             /* the heartbeat that the attempt relies on has become too old */
bit wasStopped[MAILS];       /* the process was stopped after its last look at the lease */

mtype decider[DECIDERS] = idle;
mtype decision[DECIDERS] = idle;
byte at[DECIDERS];

/* ---- The world. */
byte copies;                 /* that the upstream took */
byte lines;                  /* transmission.doubtful under resend, doubts that expired, decisions "not relayed" */
bit reported;
bit isSaid;                  /* it is relayed by a decision or by evidence, or may be when that was not answered */

byte submits = SUBMITS;
byte unfit = UNFIT;
byte crashes = CRASHES;
byte stops = STOPS;
byte cuts = CUTS;
byte lostCalls = LOST_CALLS;
byte lostAnswers = LOST_ANSWERS;
byte laters = LATERS;
byte refusals = REFUSALS;
byte decisions = DECISIONS;
byte proofs = PROOFS;
byte sweeps = SWEEPS;

byte how;                    /* of a call: 0 answered; without an answer, 1 not made, 2 made, 3 to be made late */
byte ok;
byte it;

/* ---- Defects, each a mend or a rule that is taken out. */
#ifdef LEASE_NOT_LOOKED_AT
#define ISALIVE(h) (0)
#else
#ifdef EARLIER_LIFE_ALIVE
#define ISALIVE(h) (h == GONE || (h != 0 && age[h - 1] < 2))
#else
#define ISALIVE(h) (h != 0 && h != GONE && age[h - 1] < 2)
#endif
#endif
#ifdef FENCE_NOT_COMPARED
#define ISUNDER(f) (rState != absent)
#else
#define ISUNDER(f) (rState != absent && rFence == f)
#endif
#ifdef STEP_NOT_COMPARED
#define ISLATER(s) (1)
#else
#define ISLATER(s) (rStep <= s)
#endif
#ifdef TAKE_NOT_COMPARED
#define ISASREAD(f, s, state) (rState != absent)
#else
#ifdef TAKE_WITHOUT_STEP
#define ISASREAD(f, s, state) (rState == state && rFence == f)
#else
#define ISASREAD(f, s, state) (rState == state && rFence == f && rStep == s)
#endif
#endif
#ifdef ATTEMPTED_AS_NEW
#define ISINDOUBT(s) (s == doubtful || s == reclaimed || s == remembered)
#else
#define ISINDOUBT(s) (s == attempted || s == doubtful || s == reclaimed || s == remembered)
#endif
#ifdef DOUBT_RELEASED
#define GIVENUP(g) (absent)
#else
#define GIVENUP(g) (eDoubt[g] == queued -> absent : remembered)
#endif
#ifdef UNSPOOLED_AS_REPEAT
#define STANDING ((rState == claimed || rBound) -> queued : awaited)
#else
#ifdef BOUND_NOT_SEEN
#define STANDING queued
#else
#define STANDING (rBound -> queued : awaited)
#endif
#endif
#ifdef PAUSE_NOT_SEEN
#define ISTOOOLD(t) (0)
#else
#ifdef LATEST_BEAT_COUNTS
#define ISTOOOLD(t) (age[HOME(t)] > 0)
#else
#define ISTOOOLD(t) (aged[t])
#endif
#endif

#define ISAT(c, g) (c < GATEWAYS + MAILS || at[c - GATEWAYS - MAILS] == g)
#define RUNS(g) (up[g] && !stopped[g] && !isMade[g])
#define ASKS(g) (RUNS(g) && !cut[g])
#define ISOTHERS(g) (rHolder != 0 && rHolder != g + 1)
#define ISELSEWHERE(g) (ISOTHERS(g) && (ISALIVE(rHolder) || !tells[g]))
#define ISLIVE(t) (eLive[HOME(t)] && eFence[HOME(t)] != 0 && eFence[HOME(t)] == claim[t])
#ifdef UNSPOOLED_AS_REPEAT
#define ISPENDING(g) (rState != absent && ISOTHERS(g) && !ISALIVE(rHolder) && !tells[g])
#else
#define ISPENDING(g) (rState != absent && ISOTHERS(g) && \
  ((!ISALIVE(rHolder) && !tells[g]) || (ISALIVE(rHolder) && (rState == claimed || rState == reclaimed))))
#endif
#define ISBUSYMAIL(t) (work[t] != idle && work[t] != lane && work[t] != recovering && work[t] != entering)
/* The record is not under the claim of this gateway, or there is none. */
#define ISLOST(g) (!eLive[g] || (eFence[g] != 0 && !(rState != absent && rFence == eEngine[g])))
#define ISFREE(t) (!inSpool[t] && work[t] == idle)
#if SLOTS == 1
#define ISBUSY(g) ISBUSYMAIL(g)
#define ISCALLING(g) (work[g] == calling)
#define ISSERVING(g) (work[g] != recovering)
#else
#define ISCALLING(g) (work[2 * g] == calling || work[2 * g + 1] == calling)
#define ISBUSY(g) (ISBUSYMAIL(2 * g) || ISBUSYMAIL(2 * g + 1))
#define ISSERVING(g) (work[2 * g] != recovering && work[2 * g + 1] != recovering)
#endif
/* It is bound, another gateway relays it for a client that waits, and nothing has changed there. */
#define ISLEFT(t) (isWaiting[t] && ISELSEWHERE(HOME(t)) && !rBound && rState != claimed && rState != reclaimed)
/* An operator's decision "not relayed" and work on the id keep each other out (decisions.ts). */
#ifdef MEETS_WORK
#define ISAPART(g) (0)
#else
#if DECIDERS == 1
#define ISAPART(g) (at[0] == g && decision[0] == notRelayed)
#else
#define ISAPART(g) ((at[0] == g && decision[0] == notRelayed) || (at[1] == g && decision[1] == notRelayed))
#endif
#endif
/* A change under a live claim of this gateway says whether it is bound. */
#define BINDS(g) (eAccepted[g] && !eAwaited[g])

#define CLEAR how = 0; ok = 0; it = 0

/* ---- Calls of the engine. */
inline lose() {
  if
  :: how = 0
  :: lostCalls > 0 -> lostCalls--; how = 1
  :: lostCalls > 0 -> lostCalls--; how = 2
  :: lostCalls > 0 && late == idle -> lostCalls--; how = 3
  fi
}

inline change(f, s, to, b) {
  if
  :: ISUNDER(f) && ISLATER(s) ->
     ok = 1; rStep = s; rState = to; rBound = b;
     if
     :: to == absent || to == remembered || to == relayed -> rHolder = 0; rBound = 0
     :: else
     fi
  :: else -> ok = 0
  fi
}

inline sayHow(g) {
  if
  :: how == 1 -> printf("engine: that call of gateway %c is never made\n", NAME(g))
  :: how == 2 -> printf("engine: that call of gateway %c has taken effect\n", NAME(g))
  :: how == 3 -> printf("engine: that call of gateway %c is still on its way\n", NAME(g))
  fi
}

/* Under the claim of gateway g. */
inline write(g, to, b) {
  eStep[g]++;
  lose();
  if
  :: how == 0 || how == 2 -> change(eEngine[g], eStep[g], to, b)
  :: how == 3 -> late = changes; lateFence = eEngine[g]; lateStep = eStep[g]; lateState = to; lateBound = b
  :: how == 1
  fi;
  if
  :: how > 0 -> printf("gateway %c: gets no answer to its change to %e\n", NAME(g), to); sayHow(g)
  :: else
  fi
}

#define CLEARLEAVING(g) leavingStale[g] = 0; leavingLast[g] = 0; leavingFound[g] = 0; leavingFence[g] = 0; leavingStep[g] = 0; \
  leavingTo[g] = absent

#ifdef LOOK_FORGOTTEN
#define KEEPLOOK(g) skip
#else
#define KEEPLOOK(g) leavingLook[g] = (leavingLook[g] || leaving[g] == looking)
#endif

inline endClaim(g) {
  eLive[g] = 0; eFence[g] = 0; eEngine[g] = 0; eStep[g] = 0; eAccepted[g] = 0; eAwaited[g] = 0; eDoubt[g] = queued;
  eUnsaid[g] = 0; eMayBeRelayed[g] = 0; eMayBeCleared[g] = 0; eTurn[g] = 0
}

inline holds(g, f, to) {
  eEngine[g] = f; eStep[g] = 0; eUnsaid[g] = 1;
  if
  :: eFence[g] == 0 -> eFence[g] = f
  :: else
  fi;
  if
  :: to == reclaimed -> eDoubt[g] = doubtful
  :: else -> eDoubt[g] = queued
  fi
}

/* giving-up.ts: gives up what the claim of g holds, in the engine or later. */
inline giveUp(g) {
  write(g, GIVENUP(g), 0);
  if
  :: how > 0 -> KEEPLOOK(g); CLEARLEAVING(g); leaving[g] = changes; leavingFence[g] = eEngine[g]; leavingStep[g] = eStep[g];
     leavingTo[g] = GIVENUP(g)
  :: else
  fi
}

/* A client gets 250 because another mail of this id answers for it: that of the record's holder, or of the claim here. What
   the caller's own mail owes goes to it. */
inline rely(g, from) {
  it = 0;
  do
  :: it < MAILS && HOME(it) == g && inSpool[it] && it != from -> break
  :: it < MAILS && !(HOME(it) == g && inSpool[it] && it != from) -> it++
  :: it == MAILS -> break
  od;
  if
  :: it == MAILS && !reported && copies == 0 -> printf("promise: 250 rests on a mail that is in no spool\n"); assert(false)
  :: it == MAILS && (reported || copies > 0) ->   /* it has just been given up, or relayed */
     if
     :: from < MAILS -> isOwed[from] = 0
     :: else
     fi
  :: it < MAILS ->
     if
     :: from == MAILS -> isOwed[it] = 1
     :: else -> isOwed[it] = isOwed[it] || isOwed[from]; isOwed[from] = 0
     fi
  fi
}

/* The mail leaves the spool. */
inline leave(t) {
  if
  :: isOwed[t] && copies == 0 && rState != relayed ->
     printf("promise: a mail that got 250 leaves the spool; it was neither relayed nor reported\n"); assert(false)
  :: else
  fi;
  inSpool[t] = 0; isHeld[t] = 0; isAwaited[t] = 0; isEnded[t] = 0; isOwed[t] = 0; inDoubt[t] = 0
}

inline forgetMail(t) {
  work[t] = idle; outcome[t] = idle; next[t] = idle; claim[t] = 0; inDoubt[t] = 0; isWaiting[t] = 0; wasDoubtful[t] = 0;
  aged[t] = 0; wasStopped[t] = 0
}

/* claim-batch.ts, leavings.ts: what failed is given up in the background. Within an attempt its entry stays. */
inline failClaim(c, g) {
  cResult[c] = failed; cStep[c] = got;
  if
  :: !cTry[c] -> endClaim(g); CLEARLEAVING(g); leavingLook[g] = 0; leaving[g] = looking
  :: else
  fi
}

/* ---- claim-batch.ts, claiming.ts, takeover.ts: one caller's claim of the id, to its result. */
proctype Claim(byte c; byte g; byte mine) {
end:
  do
  /* claim-batch.ts: what another claim of this process holds is a repeat once it is accepted, and waited for until then. */
  :: d_step { RUNS(g) && ISAT(c, g) && cStep[c] == asking && eLive[g] && eAccepted[g] ->
       cResult[c] = (eAwaited[g] -> awaited : queued); cStep[c] = got;
#ifdef REPEAT_OF_AWAITED
       cResult[c] = queued;
#endif
       if
       :: cResult[c] == queued && c < GATEWAYS + MAILS -> rely(g, mine)
       :: else
       fi; CLEAR }
  :: d_step { RUNS(g) && ISAT(c, g) && cStep[c] == asking && !eLive[g] ->
       eLive[g] = 1; leavingStale[g] = 1; cStep[c] = looking }
  /* tryOne: insert, or read and decide. */
  :: atomic { ASKS(g) && ISAT(c, g) && cStep[c] == looking && rState == absent ->
       lose();
       if
       :: how == 0 || how == 2 -> rState = claimed; rFence++; rStep = 0; rHolder = g + 1; rBound = 0
       :: how == 3 -> late = inserts; lateHolder = g + 1
       :: how == 1
       fi;
       if
       :: how == 0 -> holds(g, rFence, claimed); cResult[c] = claimed; cStep[c] = got;
          printf("gateway %c: claims the id, which is new, with fence %d\n", NAME(g), rFence)
       :: else -> failClaim(c, g);
          printf("gateway %c: gets no answer to its claim\n", NAME(g)); sayHow(g)
       fi; CLEAR }
  :: d_step { ASKS(g) && ISAT(c, g) && cStep[c] == looking && rState != absent && !ISPENDING(g) ->
       if
       :: rState == relayed -> cResult[c] = relayed; cStep[c] = got
       :: rState != relayed && ISOTHERS(g) && ISALIVE(rHolder) ->
          cResult[c] = STANDING; cStep[c] = got;
          if
          :: cResult[c] == queued && c < GATEWAYS + MAILS && rHolder != GONE -> rely(rHolder - 1, mine)
          :: else
          fi
       :: else -> cFence[c] = rFence; cChange[c] = rStep; cState[c] = rState; cStep[c] = taking
       fi;
       if
       :: cStep[c] == got && !cTry[c] -> endClaim(g)
       :: else
       fi; CLEAR }
  /* After ten seconds a submission and a decision give up; a mail of the spool asks again. */
  :: d_step { RUNS(g) && ISAT(c, g) && cStep[c] == looking && ISPENDING(g) && (mine == MAILS || cTry[c]) ->
       failClaim(c, g);
       printf("gateway %c: waits in vain for a claim that is not accepted\n", NAME(g)) }
  :: atomic { ASKS(g) && ISAT(c, g) && cStep[c] == taking ->
       lose();
       ok = ISASREAD(cFence[c], cChange[c], cState[c]);
       if
       :: how == 3 -> late = takes; lateHolder = g + 1; lateFence = cFence[c]; lateStep = cChange[c]; lateState = cState[c]
       :: how == 1
       :: how != 1 && how != 3 && ok ->
          if
          :: ISINDOUBT(cState[c]) -> rState = reclaimed
          :: else -> rState = claimed
          fi;
          rFence++; rStep = 0; rHolder = g + 1; rBound = 0
       :: how != 1 && how != 3 && !ok
       fi;
       if
       :: how > 0 -> failClaim(c, g);
          printf("gateway %c: gets no answer to its claim\n", NAME(g)); sayHow(g)
       :: how == 0 && ok -> holds(g, rFence, rState); cStep[c] = got;
          cResult[c] = (rState == reclaimed -> doubtful : claimed);
          printf("gateway %c: takes the id over, which is %e, with fence %d\n", NAME(g), cState[c], rFence)
       :: how == 0 && !ok -> cStep[c] = looking
       fi;
       cFence[c] = 0; cChange[c] = 0; cState[c] = absent; CLEAR }
  od
}

#define CLEARCLAIM(c) cStep[c] = idle; cResult[c] = idle; cTry[c] = 0

/* ---- accept.ts: submissions at one gateway, one after the other. The caller of its claims has the gateway's number. */
proctype Submit(byte g) {
end:
  do
  :: d_step { RUNS(g) && ISSERVING(g) && submission[g] == idle && submits > 0 ->
       submits--; submission[g] = asking; cStep[g] = asking;
       printf("client: submits the mail to gateway %c\n", NAME(g)) }
  :: d_step { RUNS(g) && submission[g] == asking && cStep[g] == got ->
       if
       :: cResult[g] == claimed -> submission[g] = entering
       :: cResult[g] == doubtful && POLICY(g) == drop -> submission[g] = dropping;
          printf("gateway %c: logs the id as doubtful, and counts it as relayed\n", NAME(g))
       :: cResult[g] == doubtful && POLICY(g) == hold && waits[g] -> submission[g] = withholding
       :: cResult[g] == doubtful && (POLICY(g) == resend || (POLICY(g) == hold && !waits[g])) -> submission[g] = reentering
       :: cResult[g] == queued || cResult[g] == relayed -> submission[g] = idle;
          printf("gateway %c: answers 250 to a repeat\n", NAME(g))
       :: cResult[g] == awaited || cResult[g] == failed -> submission[g] = idle;
          printf("gateway %c: answers 451\n", NAME(g))
       fi;
       CLEARCLAIM(g) }
  /* Durable in the spool; only then, in a step of its own, the claim is accepted and the mail queued. */
  :: d_step { RUNS(g) && (submission[g] == entering || submission[g] == reentering) ->
       it = (ISFREE(g * SLOTS) -> g * SLOTS : g * SLOTS + SLOTS - 1);
       if
       :: ISFREE(it) ->
          inSpool[it] = 1; isAwaited[it] = waits[g]; isOwed[it] = !waits[g]; claim[it] = eFence[g];
          work[it] = entering; next[it] = (submission[g] == entering -> lane : deciding); submission[g] = entered;
          printf("gateway %c: has the mail in its spool, durably\n", NAME(g))
       :: else -> submission[g] = withholding    /* a bound of the model: as with a full disk */
       fi; CLEAR }
  /* It conflicts, or the disk is full. */
  :: d_step { RUNS(g) && submission[g] == entering && unfit > 0 -> unfit--; submission[g] = withholding;
       printf("gateway %c: can't accept the mail after all\n", NAME(g)) }
  :: d_step { RUNS(g) && submission[g] == entered ->
       it = (work[g * SLOTS] == entering -> g * SLOTS : g * SLOTS + SLOTS - 1);
       if
       :: ISLIVE(it) -> eAccepted[g] = 1; eAwaited[g] = isAwaited[it]
       :: else
       fi;
       work[it] = next[it]; next[it] = idle; submission[g] = idle;
       printf("gateway %c: accepts the mail, and answers 250 now or after the verdict\n", NAME(g)); CLEAR }
  /* drop: it counts as relayed. */
  :: atomic { ASKS(g) && submission[g] == dropping && eTurn[g] == 0 ->
       write(g, relayed, 0);
       if
       :: how == 0 && ok -> endClaim(g); submission[g] = idle; printf("gateway %c: answers 250 to a repeat\n", NAME(g))
       :: how == 0 && !ok -> endClaim(g); submission[g] = idle; printf("gateway %c: answers 451\n", NAME(g))
       :: how > 0 -> submission[g] = withholding
       fi; CLEAR }
  /* hold, and the client waits: 451, and the ledger keeps the doubt. */
  :: atomic { ASKS(g) && submission[g] == withholding && eTurn[g] == 0 ->
       giveUp(g); endClaim(g); submission[g] = idle;
       printf("gateway %c: gives its claim up, and answers 451\n", NAME(g)); CLEAR }
  od
}

/* ---- attempt.ts, doubt.ts, lapsed.ts, recovery.ts: one mail of a spool. */
proctype Mail(byte t; byte g) {
  byte c = GATEWAYS + t;
end:
  do
  /* The lane takes it up. While another gateway's claim is not accepted it would find that again and again. */
  :: d_step { RUNS(g) && ISSERVING(g) && work[t] == lane && !ISAPART(g) && !ISLEFT(t) && !ISPENDING(g) ->
       if
       :: !inSpool[t] || isEnded[t] -> work[t] = releasing; next[t] = idle
       :: else -> work[t] = noting
       fi }

  /* attempts.ts: the attempt is noted under the claim, in its turn. */
  :: d_step { RUNS(g) && work[t] == noting && !ISLIVE(t) -> work[t] = lapsing; outcome[t] = later }
  :: atomic { ASKS(g) && work[t] == noting && ISLIVE(t) && (eTurn[g] == 0 || eTurn[g] == c + 1) ->
       eTurn[g] = c + 1; aged[t] = (age[g] > 0);
#ifdef ATTEMPT_NOT_WRITTEN
       how = 0; ok = 1;
#else
       if
       :: eDoubt[g] == queued || eDoubt[g] == attempted -> write(g, attempted, BINDS(g))
       :: else -> write(g, doubtful, BINDS(g))
       fi;
#endif
       if
       :: how == 0 && ok -> eUnsaid[g] = 0; work[t] = noted;
          eDoubt[g] = ((eDoubt[g] == queued || eDoubt[g] == attempted) -> attempted : reattempted);
          printf("gateway %c: notes the attempt under fence %d\n", NAME(g), eEngine[g])
       :: how == 0 && !ok && eDoubt[g] == queued -> work[t] = reclaiming; cTry[c] = 1; cStep[c] = looking
       :: how == 0 && !ok && eDoubt[g] != queued -> endClaim(g); work[t] = lapsing; outcome[t] = later;
          printf("gateway %c: finds before an attempt that its claim is lost\n", NAME(g))
#ifdef FAILS_OPEN
       :: how > 0 -> work[t] = noted; eDoubt[g] = attempted
#else
       :: how > 0 -> work[t] = lane; eTurn[g] = 0
#endif
       fi; CLEAR }
  /* A decision without an answer has taken effect: then it is relayed. Else the lease is looked at. */
  :: atomic { ASKS(g) && work[t] == noted && eMayBeRelayed[g] ->
       if
       :: rHolder == g + 1 -> eMayBeRelayed[g] = 0
       :: else -> write(g, relayed, 0);
          if
          :: how == 0 -> endClaim(g); work[t] = lapsing; outcome[t] = later
          :: how > 0 -> work[t] = lane; eTurn[g] = 0
          fi
       fi; CLEAR }
  :: d_step { RUNS(g) && work[t] == noted && !eMayBeRelayed[g] && ISTOOOLD(t) -> work[t] = confirming }
  :: d_step { RUNS(g) && work[t] == noted && !eMayBeRelayed[g] && !ISTOOOLD(t) ->
       work[t] = calling; eTurn[g] = 0; aged[t] = 0; wasStopped[t] = 0;
       printf("gateway %c: has looked at its lease, and is about to call the upstream\n", NAME(g)) }
  :: d_step { ASKS(g) && work[t] == confirming -> age[g] = 0; work[t] = noting;
       printf("gateway %c: confirms its heartbeat, and notes the attempt again\n", NAME(g)) }
  /* isClaimedAgain: another gateway took it over, and may have given it up again. */
  :: atomic { ASKS(g) && work[t] == reclaiming && cStep[c] == got ->
       if
       :: cResult[c] == claimed -> work[t] = noting
       :: cResult[c] == doubtful -> giveUp(g); endClaim(g); work[t] = lapsing; outcome[t] = later
       :: cResult[c] == failed -> work[t] = lane; eTurn[g] = 0
       :: cResult[c] == queued || cResult[c] == awaited || cResult[c] == relayed ->
          endClaim(g); work[t] = lapsing; outcome[t] = later;
          printf("gateway %c: finds before an attempt that its claim is lost\n", NAME(g))
       fi;
       CLEARCLAIM(c); CLEAR }

  /* The upstream is called, takes the mail or not, and answers or not. */
  :: d_step { RUNS(g) && work[t] == calling ->
       if
       :: (rState == attempted || rState == doubtful) && rHolder == g + 1 && rFence == eEngine[g]
       :: rState == relayed && isSaid     /* it was decided, or evidence came, while it was attempted again */
       :: else -> printf("gateway %c: calls the upstream under a claim that it has lost\n", NAME(g));
#ifdef WINDOW
          printf("promise: no call without a durable attempt under its own claim\n"); assert(false)
#else
          if
          :: wasStopped[t]
          :: else -> printf("promise: no call without a durable attempt under its own claim\n"); assert(false)
          fi
#endif
       fi;
       work[t] = sending; wasStopped[t] = 0;
       printf("gateway %c: calls the upstream\n", NAME(g)) }
  :: atomic { up[g] && work[t] == sending ->
       if
       :: copies++; outcome[t] = accepted; printf("upstream: takes the mail of gateway %c, and answers\n", NAME(g))
       :: lostAnswers > 0 -> lostAnswers--; copies++; outcome[t] = doubtful;
          printf("upstream: takes the mail of gateway %c, and its answer is lost\n", NAME(g))
       :: lostAnswers > 0 -> lostAnswers--; outcome[t] = doubtful;
          printf("upstream: does not take the mail of gateway %c, and does not answer\n", NAME(g))
       :: laters > 0 -> laters--; outcome[t] = later; printf("upstream: refuses the mail of gateway %c for now\n", NAME(g))
       :: refusals > 0 -> refusals--; outcome[t] = refused;
          printf("upstream: refuses the mail of gateway %c for good\n", NAME(g))
       fi;
       work[t] = settling;
       if
       :: copies > 1 + lines -> printf("promise: a second copy, and no line has said that it is doubtful\n"); assert(false)
       :: else
       fi }

  /* recorder.ts, attempts.ts: how it ended is settled, again and again until that is answered. */
  :: d_step { RUNS(g) && work[t] == settling && !ISLIVE(t) -> work[t] = (outcome[t] == accepted -> recording : lapsing) }
  :: atomic { ASKS(g) && work[t] == settling && ISLIVE(t) && eTurn[g] == 0 ->
       if
       :: outcome[t] == accepted -> write(g, relayed, 0)
       :: outcome[t] == doubtful || (outcome[t] != accepted && eDoubt[g] != attempted) -> write(g, doubtful, BINDS(g))
       :: else -> write(g, queued, BINDS(g))
       fi;
       if
       :: how == 0 && ok ->
          printf("gateway %c: settles its attempt: %e\n", NAME(g), outcome[t]);
          if
          :: outcome[t] == accepted -> endClaim(g); work[t] = removing
          :: outcome[t] == doubtful -> eDoubt[g] = doubtful; work[t] = (eMayBeRelayed[g] -> rechecking : deciding)
          :: outcome[t] == later || outcome[t] == refused -> eDoubt[g] = (eDoubt[g] == attempted -> queued : doubtful);
             work[t] = (eMayBeRelayed[g] -> rechecking : withholding)
          fi
#ifdef RELAYED_UNDER_LOST_CLAIM
       :: how == 0 && !ok && outcome[t] == accepted -> endClaim(g); work[t] = removing
       :: how == 0 && !ok && outcome[t] != accepted ->
#else
       :: how == 0 && !ok ->
#endif
          endClaim(g); work[t] = (outcome[t] == accepted -> recording : lapsing);
          printf("gateway %c: finds at the end of its attempt that its claim is lost\n", NAME(g))
       :: how > 0
       fi; CLEAR }

  /* wasRelayed: as before an attempt. */
  :: atomic { ASKS(g) && work[t] == rechecking && eTurn[g] == 0 ->
       if
       :: rHolder == g + 1 -> eMayBeRelayed[g] = 0; work[t] = (outcome[t] == doubtful -> deciding : withholding)
       :: else -> write(g, relayed, 0);
          if
          :: how == 0 -> endClaim(g); work[t] = lapsing
          :: else
          fi
       fi; CLEAR }

  /* Refused: the waiting client gets that; else it is tried again, or reported. */
  :: d_step { RUNS(g) && work[t] == withholding && isAwaited[t] -> leave(t); work[t] = releasing; next[t] = idle }
  :: d_step { RUNS(g) && work[t] == withholding && !isAwaited[t] && outcome[t] == later -> work[t] = ending; next[t] = lane }
  :: d_step { RUNS(g) && work[t] == withholding && !isAwaited[t] && outcome[t] == refused && opening[g] == 0 ->
       if
       :: isDecided[g] -> work[t] = ending; next[t] = idle
       :: else -> isEnded[t] = 1; isHeld[t] = 0; inDoubt[t] = 0; work[t] = releasing; next[t] = idle
       fi }

  /* recorder.ts, recordRelayed: it was accepted under a claim that is lost. */
  :: d_step { RUNS(g) && work[t] == recording && opening[g] == 0 ->
       if
       :: isDecided[g] -> work[t] = ending; next[t] = idle
       :: else -> cStep[c] = asking; work[t] = recordingOn
       fi }
  :: d_step { RUNS(g) && work[t] == recordingOn && cStep[c] == got && cResult[c] != claimed && cResult[c] != doubtful ->
       if
       :: cResult[c] == failed -> cStep[c] = asking; cResult[c] = idle
       :: else -> work[t] = removing; CLEARCLAIM(c)
       fi }
  :: atomic { ASKS(g) && work[t] == recordingOn && cStep[c] == got && (cResult[c] == claimed || cResult[c] == doubtful) &&
              (eTurn[g] == 0) ->
       write(g, relayed, 0);
       if
       :: how == 0 && ok -> endClaim(g); work[t] = removing; CLEARCLAIM(c)
       :: how == 0 && !ok -> endClaim(g); cStep[c] = asking; cResult[c] = idle
       :: how > 0
       fi; CLEAR }

  /* lapsed.ts: the claim is lost. */
  :: d_step { RUNS(g) && work[t] == lapsing && opening[g] == 0 ->
       if
       :: isDecided[g] -> work[t] = ending; next[t] = idle
       :: else -> cStep[c] = asking; work[t] = lapsed; wasDoubtful[t] = wasDoubtful[t] || (outcome[t] == doubtful)
       fi }
  :: d_step { RUNS(g) && work[t] == lapsed && cStep[c] == got ->
       if
       :: cResult[c] == failed -> work[t] = ending; next[t] = lane
#ifndef LEFT_TO_THE_OTHER
       :: cResult[c] == awaited && !isAwaited[t] -> isWaiting[t] = 1; work[t] = ending; next[t] = lane;
          printf("gateway %c: keeps its mail: it is bound, and another gateway relays the mail for a client that waits\n", NAME(g))
       :: cResult[c] == queued || cResult[c] == relayed || (cResult[c] == awaited && isAwaited[t]) ->
#else
       :: cResult[c] == queued || cResult[c] == relayed || cResult[c] == awaited ->
#endif
          leave(t); work[t] = ending; next[t] = idle; isWaiting[t] = 0; wasDoubtful[t] = 0;
          printf("gateway %c: takes its mail out, since another gateway has the id\n", NAME(g))
       :: cResult[c] == claimed || cResult[c] == doubtful ->
          claim[t] = eFence[g]; isWaiting[t] = 0;
          if
          :: cResult[c] == claimed && wasDoubtful[t] -> work[t] = redoubting
          :: cResult[c] == claimed && !wasDoubtful[t] ->
             eAccepted[g] = 1; eAwaited[g] = isAwaited[t]; work[t] = ending; next[t] = lane
          :: cResult[c] == doubtful -> eAccepted[g] = 1; eAwaited[g] = isAwaited[t]; work[t] = deciding; outcome[t] = idle
          fi;
          wasDoubtful[t] = 0
       fi;
       CLEARCLAIM(c) }
  /* The ledger has forgotten the attempt. */
  :: atomic { ASKS(g) && (work[t] == redoubting || work[t] == redoubted) && eTurn[g] == 0 ->
       write(g, (work[t] == redoubting -> attempted : doubtful), 0);
       if
       :: how == 0 && ok && work[t] == redoubting -> eDoubt[g] = attempted; work[t] = redoubted
       :: how == 0 && ok && work[t] == redoubted -> eDoubt[g] = doubtful;
          eAccepted[g] = 1; eAwaited[g] = isAwaited[t]; work[t] = deciding; outcome[t] = idle
       :: how > 0 || !ok -> wasDoubtful[t] = 1; work[t] = releasing; next[t] = lane
       fi; CLEAR }

  /* doubt.ts: policy decides, after an attempt (outcome doubtful) or about an earlier one. */
  :: d_step { RUNS(g) && work[t] == deciding && !ISAPART(g) ->
       if
       :: outcome[t] != doubtful && isHeld[t] && POLICY(g) != resend -> inDoubt[t] = 1; work[t] = ending; next[t] = idle
       :: !(outcome[t] != doubtful && isHeld[t] && POLICY(g) != resend) && POLICY(g) == drop ->
          inDoubt[t] = 1; work[t] = dropping;
          printf("gateway %c: logs the mail as doubtful, and counts it as relayed\n", NAME(g))
       :: !(outcome[t] != doubtful && isHeld[t]) && POLICY(g) == hold && !isAwaited[t] ->
          inDoubt[t] = 1; isHeld[t] = 1; work[t] = ending; next[t] = idle;
          printf("gateway %c: logs the mail as doubtful, and holds it\n", NAME(g))
       :: isAwaited[t] && ((POLICY(g) == hold && !(outcome[t] != doubtful && isHeld[t])) || (POLICY(g) == resend && outcome[t] == doubtful)) ->
          leave(t); work[t] = releasing; next[t] = idle;
          printf("gateway %c: logs the mail as doubtful, and answers 451\n", NAME(g))
       :: POLICY(g) == resend && !(isAwaited[t] && outcome[t] == doubtful) ->
          inDoubt[t] = 1; isHeld[t] = 0; lines++; work[t] = ending; next[t] = lane;
          printf("gateway %c: logs the mail as doubtful, and sends it again\n", NAME(g))
       fi;
       outcome[t] = idle }
  :: d_step { RUNS(g) && work[t] == dropping && !ISLIVE(t) -> cStep[c] = asking; work[t] = recordingOn }
  :: atomic { ASKS(g) && work[t] == dropping && ISLIVE(t) && eTurn[g] == 0 ->
       write(g, relayed, 0);
       if
       :: how == 0 -> endClaim(g);
          if
          :: ok -> work[t] = removing
          :: else -> cStep[c] = asking; work[t] = recordingOn
          fi
       :: how > 0
       fi; CLEAR }

  /* The ends of its work. What was decided as relayed meanwhile is taken out (resolutions.ts, during). */
  :: d_step { RUNS(g) && work[t] == removing -> leave(t); work[t] = ending; next[t] = idle;
       printf("gateway %c: takes the mail out of its spool\n", NAME(g)) }
  :: d_step { RUNS(g) && work[t] == releasing && !ISLIVE(t) -> work[t] = ending }
  :: atomic { ASKS(g) && work[t] == releasing && ISLIVE(t) && eTurn[g] == 0 ->
       giveUp(g); endClaim(g); work[t] = ending;
       printf("gateway %c: gives its claim up\n", NAME(g)); CLEAR }
  :: d_step { RUNS(g) && work[t] == ending && opening[g] == 0 ->
       if
       :: isDecided[g] && inSpool[t] -> leave(t); forgetMail(t);
          printf("gateway %c: takes out what was decided as relayed\n", NAME(g))
       :: isDecided[g] && !inSpool[t] -> forgetMail(t)
       :: !isDecided[g] && next[t] == idle && inSpool[t] && !isEnded[t] -> work[t] = idle; next[t] = idle; outcome[t] = idle
       :: !isDecided[g] && next[t] == idle && (!inSpool[t] || isEnded[t]) -> forgetMail(t)
       :: !isDecided[g] && next[t] == lane -> work[t] = lane; next[t] = idle; outcome[t] = idle
       fi;
       if
       :: !ISBUSY(g) && carrying[g] == 0 -> isDecided[g] = 0
       :: else
       fi }

  /* reports.ts: the report takes its place, durably. */
  :: d_step { RUNS(g) && isEnded[t] && work[t] == idle -> isOwed[t] = 0; reported = 1; leave(t); forgetMail(t);
       printf("gateway %c: has put a report in the place of the mail\n", NAME(g)) }

  /* recovery.ts: the start claims it again before anything else. */
  :: d_step { RUNS(g) && work[t] == recovering && cStep[c] == idle -> cStep[c] = asking }
  :: d_step { RUNS(g) && work[t] == recovering && cStep[c] == got ->
       if
       :: cResult[c] == failed
       :: cResult[c] == awaited && !isAwaited[t] -> work[t] = lane
       :: cResult[c] == relayed || cResult[c] == queued || (cResult[c] == awaited && isAwaited[t]) -> leave(t); forgetMail(t);
          printf("gateway %c: finds at its start that its mail is a repeat\n", NAME(g))
       :: cResult[c] == claimed || cResult[c] == doubtful ->
#ifndef START_DOES_NOT_BIND
          if
          :: isAwaited[t] && !waits[g] -> isAwaited[t] = 0; isOwed[t] = 1
          :: else
          fi;
#endif
          claim[t] = eFence[g]; eAccepted[g] = 1; eAwaited[g] = isAwaited[t];
          if
          :: cResult[c] == claimed -> isHeld[t] = 0; work[t] = lane
          :: else -> work[t] = deciding; outcome[t] = idle
          fi;
          printf("gateway %c: has claimed its mail again at its start\n", NAME(g))
       fi;
       CLEARCLAIM(c) }
  od
}

/* ---- announcements.ts, leavings.ts, look-ups.ts: what a gateway does in the background. */
proctype Background(byte g) {
  byte s;
end:
  do
  :: atomic { ASKS(g) && eLive[g] && eAccepted[g] && eUnsaid[g] && eTurn[g] == 0 ->
       write(g, (eDoubt[g] == queued -> queued : doubtful), BINDS(g));
       if
       :: how == 0 -> eUnsaid[g] = 0
       :: else
       fi; CLEAR }
  /* What this incarnation has in the engine without a claim. The last look comes after the last late call. */
  :: d_step { ASKS(g) && leaving[g] == looking && !eLive[g] && !leavingFound[g] && !leavingLast[g] &&
              (rHolder == g + 1 || late == idle || lateHolder != g + 1) ->
       leavingStale[g] = 0;
       leavingLast[g] = (late == idle || lateHolder != g + 1);
       leavingFound[g] = (rHolder == g + 1); leavingFence[g] = rFence;
       leavingTo[g] = ((rState == claimed || rState == queued) -> absent : remembered);
       if
       :: !leavingFound[g] -> leavingFence[g] = 0; leavingTo[g] = absent
       :: else
       fi }
  :: d_step { RUNS(g) && leaving[g] == looking && eLive[g] && !leavingFound[g] && !leavingLast[g] && (late == idle || lateHolder != g + 1) ->
       leaving[g] = idle; leavingStale[g] = 0 }
  :: atomic { ASKS(g) && leaving[g] == looking && (leavingFound[g] || leavingLast[g]) ->
       how = 0;
#ifdef LEAVING_OF_ANOTHER
       leavingStale[g] = 0;
#endif
       if
       :: leavingFound[g] && !leavingStale[g] -> lose();
          if
          :: how == 0 || how == 2 -> change(leavingFence[g], 200, leavingTo[g], 0)
          :: how == 1
          :: how == 3 -> late = changes; lateFence = leavingFence[g]; lateStep = 200; lateState = leavingTo[g]; lateBound = 0
          fi
       :: else
       fi;
       if
       :: how == 0 && leavingLast[g] && !leavingStale[g] -> leaving[g] = idle
       :: else
       fi;
       leavingFound[g] = 0; leavingLast[g] = 0; leavingFence[g] = 0; leavingTo[g] = absent; leavingStale[g] = 0; CLEAR }
  :: atomic { ASKS(g) && leaving[g] == changes ->
       lose();
       if
       :: how == 0 || how == 2 -> change(leavingFence[g], leavingStep[g], leavingTo[g], 0)
       :: how == 1
       :: how == 3 -> late = changes; lateFence = leavingFence[g]; lateStep = leavingStep[g]; lateState = leavingTo[g]; lateBound = 0
       fi;
       if
       :: how == 0 -> leaving[g] = (leavingLook[g] -> looking : idle); leavingLook[g] = 0; CLEARLEAVING(g)
       :: else
       fi; CLEAR }
#ifndef NO_LOOK_UPS
  /* look-ups.ts: what is in doubt here was settled elsewhere. */
  :: d_step { ASKS(g) && rState == relayed && !ISBUSY(g) && ISSERVING(g) &&
              (inDoubt[g * SLOTS] || inDoubt[g * SLOTS + SLOTS - 1]) ->
       s = (inDoubt[g * SLOTS] -> g * SLOTS : g * SLOTS + SLOTS - 1);
       if
       :: ISLIVE(s) -> endClaim(g)
       :: else
       fi;
       leave(s); forgetMail(s); s = 0;
       printf("gateway %c: looks the id up, and takes its mail out: it is relayed\n", NAME(g)) }
#ifndef LOST_UNSEEN
  /* What is held asks what has become of it, when its claim is lost. */
  :: d_step { ASKS(g) && rState != relayed && !ISBUSY(g) && ISSERVING(g) && !ISAPART(g) && ISLOST(g) &&
              ((inDoubt[g * SLOTS] && isHeld[g * SLOTS]) || (inDoubt[g * SLOTS + SLOTS - 1] && isHeld[g * SLOTS + SLOTS - 1])) ->
       s = ((inDoubt[g * SLOTS] && isHeld[g * SLOTS]) -> g * SLOTS : g * SLOTS + SLOTS - 1);
       if
       :: ISLIVE(s) -> endClaim(g)
       :: else
       fi;
       inDoubt[s] = 0; work[s] = lane; s = 0;
       printf("gateway %c: looks the id up, and finds that its claim is lost\n", NAME(g)) }
#endif
#endif
  od
}

/* ---- doubtful.ts of the operator, deciding.ts, resolutions.ts, evidence.ts: a decision or evidence, at any moment. */
#define CALLER(o) (GATEWAYS + MAILS + o)
#define MAYDECIDE(o, g) (RUNS(g) && ISSERVING(g) && decider[o] == idle && ISINDOUBT(rState))
#define BEGINDECISION(o, g) at[o] = g; opening[g]++; carrying[g]++; decider[o] = making
proctype Decide(byte o; byte g) {   /* one process for each gateway that it may be made at */
  byte s;
end:
  do
  :: d_step { MAYDECIDE(o, g) && decisions > 0 -> decisions--; decision[o] = relayed; BEGINDECISION(o, g);
       printf("operator: decides at gateway %c that the id was relayed\n", NAME(g)) }
  :: d_step { MAYDECIDE(o, g) && decisions > 0 && !ISBUSY(g) -> decisions--; decision[o] = notRelayed; BEGINDECISION(o, g);
       printf("operator: decides at gateway %c that the id was not relayed\n", NAME(g)) }
  :: d_step { MAYDECIDE(o, g) && proofs > 0 && copies > 0 && !ISBUSY(g) -> proofs--; decision[o] = evidence; BEGINDECISION(o, g);
       printf("upstream: says at gateway %c that it took the mail\n", NAME(g)) }
  /* Under the live claim of this gateway, in its turn. */
  :: d_step { RUNS(g) && decider[o] == making && at[o] == g && eLive[g] &&
              (eFence[g] == 0 || eTurn[g] == 0) &&
              (eFence[g] == 0 || !eAccepted[g] || eDoubt[g] == attempted || eDoubt[g] == queued ||
               (eDoubt[g] == reattempted && decision[o] == notRelayed)) ->
       decider[o] = made; isMade[g] = 1; decision[o] = failed }
  :: atomic { ASKS(g) && decider[o] == making && at[o] == g && eLive[g] && eFence[g] != 0 && eTurn[g] == 0 && eAccepted[g] &&
              (eDoubt[g] == doubtful || (eDoubt[g] == reattempted && decision[o] != notRelayed)) ->
       if
       :: decision[o] == notRelayed -> write(g, queued, BINDS(g))
       :: else -> eMayBeRelayed[g] = 1; write(g, relayed, 0)
       fi;
       if
       :: how == 0 && ok && decision[o] == notRelayed -> eDoubt[g] = queued; eMayBeCleared[g] = 0; lines++
       :: how == 0 && ok && decision[o] != notRelayed -> endClaim(g); decision[o] = relayed; isSaid = 1
       :: how == 0 && !ok -> endClaim(g); decision[o] = awaited      /* elsewhere */
       :: how > 0 && decision[o] == notRelayed -> decision[o] = failed; lines++; eMayBeCleared[g] = 1
       :: how > 0 && decision[o] != notRelayed -> decision[o] = failed; isSaid = 1
       fi;
       decider[o] = made; isMade[g] = 1; CLEAR }
  /* No claim of this gateway: the record is read. */
  :: d_step { ASKS(g) && decider[o] == making && at[o] == g && !eLive[g] ->
       if
       :: !ISINDOUBT(rState) -> decision[o] = failed; decider[o] = made; isMade[g] = 1
       :: ISINDOUBT(rState) && ISELSEWHERE(g) && decision[o] != evidence -> decision[o] = awaited; decider[o] = made; isMade[g] = 1
       :: ISINDOUBT(rState) && ISELSEWHERE(g) && decision[o] == evidence ->
          /* Evidence settles what another gateway holds in doubt, by one change under its fence. */
          if
          :: rState == doubtful -> change(rFence, 199, relayed, 0); decision[o] = relayed; isSaid = 1;
             printf("gateway %c: settles the id under the claim of the other\n", NAME(g))
          :: else -> decision[o] = failed
          fi;
          decider[o] = made; isMade[g] = 1
       :: ISINDOUBT(rState) && !ISELSEWHERE(g) -> cStep[CALLER(o)] = asking; decider[o] = making2
       fi; CLEAR }
  :: atomic { ASKS(g) && decider[o] == making2 && at[o] == g && cStep[CALLER(o)] == got &&
              ((cResult[CALLER(o)] != claimed && cResult[CALLER(o)] != doubtful) || eTurn[g] == 0) ->
       if
       :: cResult[CALLER(o)] == relayed || cResult[CALLER(o)] == failed -> decision[o] = failed; decider[o] = made; isMade[g] = 1
       :: cResult[CALLER(o)] == queued || cResult[CALLER(o)] == awaited -> decision[o] = awaited; decider[o] = made; isMade[g] = 1
       :: cResult[CALLER(o)] == claimed -> giveUp(g); endClaim(g); decision[o] = failed; decider[o] = made; isMade[g] = 1
       :: cResult[CALLER(o)] == doubtful && decision[o] != notRelayed ->
          write(g, relayed, 0);
          if
          :: how == 0 -> decision[o] = (ok -> relayed : awaited); isSaid = ok
          :: how > 0 -> KEEPLOOK(g); CLEARLEAVING(g); leaving[g] = changes; leavingFence[g] = eEngine[g]; leavingStep[g] = eStep[g] + 1;
             leavingTo[g] = relayed;
             decision[o] = failed
          fi;
          endClaim(g); decider[o] = made; isMade[g] = 1
       :: cResult[CALLER(o)] == doubtful && decision[o] == notRelayed ->
          write(g, claimed, 0); lines++;
          if
          :: how == 0 && ok -> eDoubt[g] = queued; decider[o] = giving
          :: how == 0 && !ok -> endClaim(g); decision[o] = awaited; decider[o] = made; isMade[g] = 1
          :: how > 0 -> giveUp(g); endClaim(g); decision[o] = failed; decider[o] = made; isMade[g] = 1
          fi
       fi;
       CLEARCLAIM(CALLER(o)); CLEAR }
  :: atomic { ASKS(g) && decider[o] == giving && at[o] == g && eTurn[g] == 0 ->
       giveUp(g); endClaim(g); decider[o] = made; isMade[g] = 1; CLEAR }
  /* It is carried out: the work that keeps the id busy does that at its end. */
  :: d_step { up[g] && !stopped[g] && decider[o] == made && at[o] == g -> isMade[g] = 0;
       opening[g]--; carrying[g]--;
       s = ((inDoubt[g * SLOTS] || work[g * SLOTS] == deciding) -> g * SLOTS : g * SLOTS + SLOTS - 1);
       if
       :: decision[o] == relayed ->
          printf("gateway %c: has recorded the decision: relayed\n", NAME(g));
          isDecided[g] = ISBUSY(g);
          if
#ifdef TAKEN_OUT_UNDER_WAY
          :: inDoubt[s] -> leave(s); forgetMail(s)
          :: else
#else
          :: inDoubt[s] && !ISBUSY(g) -> leave(s); forgetMail(s)
          :: !inDoubt[s] && isEnded[g * SLOTS] && work[g * SLOTS] == idle -> leave(g * SLOTS); forgetMail(g * SLOTS)
          :: else
#endif
          fi
       :: decision[o] == notRelayed ->
          printf("gateway %c: has recorded the decision: not relayed\n", NAME(g));
          if
          :: inDoubt[s] && isHeld[s] -> inDoubt[s] = 0; isHeld[s] = 0; work[s] = lane
          :: inDoubt[s] && !isHeld[s] -> inDoubt[s] = 0
#ifndef MEETS_WORK
          :: !inDoubt[s] && work[s] == deciding -> work[s] = lane   /* a submission's policy has waited, and finds no doubt */
#endif
          :: else
          fi
       :: decision[o] == awaited ->
          if
          :: inDoubt[s] && isHeld[s] && !ISBUSY(g) -> inDoubt[s] = 0; work[s] = lane
          :: else
          fi
       :: decision[o] == failed -> printf("gateway %c: has nothing to decide, or can't now\n", NAME(g))
       fi;
       s = 0; decider[o] = idle; decision[o] = idle; at[o] = 0 }
  od
}

/* ---- Crashes, pauses, outages and time. */
proctype World(byte g) {
  byte i;
end:
  do
  :: d_step { up[g] && crashes > 0 -> crashes--; printf("gateway %c: is killed\n", NAME(g));
       up[g] = 0; stopped[g] = 0; tells[g] = 1;
       endClaim(g);
       leaving[g] = idle; leavingLook[g] = 0; CLEARLEAVING(g);
       opening[g] = 0; carrying[g] = 0; isDecided[g] = 0; isMade[g] = 0; submission[g] = idle;
       CLEARCLAIM(g); cFence[g] = 0; cChange[g] = 0; cState[g] = absent;
       i = 0;
       do
       :: i < SLOTS ->
          CLEARCLAIM(GATEWAYS + g * SLOTS + i); cFence[GATEWAYS + g * SLOTS + i] = 0; cChange[GATEWAYS + g * SLOTS + i] = 0; cState[GATEWAYS + g * SLOTS + i] = absent;
          forgetMail(g * SLOTS + i); i++
       :: i == SLOTS -> break
       od;
       i = 0;
       do
       :: i < DECIDERS ->
          if
          :: decider[i] != idle && at[i] == g -> decider[i] = idle; decision[i] = idle; at[i] = 0;
             CLEARCLAIM(CALLER(i)); cFence[CALLER(i)] = 0; cChange[CALLER(i)] = 0; cState[CALLER(i)] = absent
          :: else
          fi;
          i++
       :: i == DECIDERS -> break
       od;
       i = 0 }
  /* heartbeat.ts, register: its earlier life holds nothing any more. */
  :: atomic { !up[g] && !cut[g] -> printf("gateway %c: starts\n", NAME(g));
       up[g] = 1; age[g] = 0;
       if
       :: rHolder == g + 1 -> rHolder = GONE
       :: else
       fi;
       if
       :: lateHolder == g + 1 -> lateHolder = GONE
       :: else
       fi;
#ifdef REPLY_CHANGES
       if
       :: waits[g] = 0
       :: waits[g] = 1
       fi;
       printf("gateway %c: has reply = %d now (1: relayed)\n", NAME(g), waits[g]);
#endif
       i = 0;
       do
       :: i < SLOTS ->
          if
          :: inSpool[g * SLOTS + i] && !isEnded[g * SLOTS + i] -> work[g * SLOTS + i] = recovering
          :: else
          fi;
          i++
       :: i == SLOTS -> break
       od;
       i = 0 }
  :: d_step { RUNS(g) && stops > 0 -> stops--; stopped[g] = 1; tells[g] = 0; printf("gateway %c: is stopped\n", NAME(g));
       i = 0;
       do
       :: i < SLOTS ->
          if
          :: work[g * SLOTS + i] == calling -> wasStopped[g * SLOTS + i] = 1
          :: else
          fi;
          i++
       :: i == SLOTS -> break
       od;
       i = 0 }
  :: d_step { stopped[g] -> stopped[g] = 0; printf("gateway %c: goes on\n", NAME(g)) }
  :: d_step { cuts > 0 && !cut[g] -> cuts--; cut[g] = 1; tells[g] = 0; printf("gateway %c: can't reach the engine\n", NAME(g)) }
  :: d_step { cut[g] -> cut[g] = 0; printf("gateway %c: reaches the engine again\n", NAME(g)) }
  /* Time goes on while it can't beat, but not between two steps that follow at once while it runs. */
  :: d_step { (!up[g] || stopped[g] || (cut[g] && !ISCALLING(g))) && age[g] < 2 -> age[g]++;
       printf("time: the heartbeat of gateway %c is %d thirds of a lease old\n", NAME(g), 1 + age[g]);
       i = 0;
       do
       :: i < SLOTS ->
          if
          :: work[g * SLOTS + i] == noted || work[g * SLOTS + i] == confirming -> aged[g * SLOTS + i] = 1
          :: else
          fi;
          i++
       :: i == SLOTS -> break
       od;
       i = 0 }
  :: d_step { ASKS(g) && age[g] > 0 -> age[g] = 0; printf("gateway %c: beats again\n", NAME(g)) }
  /* The others had time to beat, too. */
  :: d_step { ASKS(g) && age[g] == 0 && !tells[g] && (!ASKS(1 - g) || age[1 - g] == 0) -> tells[g] = 1 }
  od
}

/* A call without an answer reaches the engine, after calls that were made later. */
proctype Late() {
end:
  do
  :: d_step { late != idle -> ok = 0;
       if
       :: late == inserts ->
          if
          :: rState == absent -> rState = claimed; rFence++; rStep = 0; rHolder = lateHolder; rBound = 0; ok = 1
          :: else
          fi
       :: late == takes ->
          if
          :: ISASREAD(lateFence, lateStep, lateState) ->
             rState = (ISINDOUBT(lateState) -> reclaimed : claimed); rFence++; rStep = 0; rHolder = lateHolder; rBound = 0; ok = 1
          :: else
          fi
       :: late == changes -> change(lateFence, lateStep, lateState, lateBound)
       fi;
       if
       :: ok -> printf("engine: a late call takes effect; the record is %e now\n", rState)
       :: else -> printf("engine: a late call changes nothing\n")
       fi;
       late = idle; lateHolder = 0; lateFence = 0; lateStep = 0; lateState = absent; lateBound = 0; CLEAR }
  od
}

/* doubts.ts: the list of what is in doubt has it, whatever the record says. */
#ifdef UNANSWERED_UNLISTED
#define ISLISTED(g) (0)
#else
#define ISLISTED(g) (eLive[g] && eDoubt[g] == doubtful && eMayBeCleared[g])
#endif

/* ---- When nothing can happen any more. */
active proctype End() {
  byte g;
  byte t;
end:
  do
  :: timeout ->
     d_step {
       do
       :: g < GATEWAYS ->
          if
          :: !up[g] || stopped[g] || cut[g] || submission[g] != idle ->
             printf("promise: a submission waits for ever\n"); assert(false)
          :: else
          fi;
          if
          :: rHolder == g + 1 && !(eLive[g] && eEngine[g] == rFence && eAccepted[g]) ->
             printf("promise: gateway %c has the id in the engine for ever, without a claim\n", NAME(g)); assert(false)
          :: else
          fi;
          if
          :: eLive[g] && !eAccepted[g] -> printf("promise: a claim is pending for ever\n"); assert(false)
          :: else
          fi;
          g++
       :: g == GATEWAYS -> break
       od;
       do
       :: t < MAILS ->
          if
          :: inSpool[t] && !(isHeld[t] && inDoubt[t] && (ISINDOUBT(rState) || ISLISTED(HOME(t)))) ->
             printf("promise: a mail stays in the spool of gateway %c for ever\n", NAME(HOME(t))); assert(false)
          :: else
          fi;
          t++
       :: t == MAILS -> break
       od;
       g = 0; t = 0
     };
     break
  od
}

init {
  byte i;
  atomic {
    waits[0] = WAITS_A; waits[1] = WAITS_B;
    do
    :: i < GATEWAYS -> run Claim(i, i, MAILS); run Submit(i); run Background(i); run World(i); i++
    :: i == GATEWAYS -> break
    od;
    i = 0;
    do
    :: i < MAILS -> run Claim(GATEWAYS + i, HOME(i), i); run Mail(i, HOME(i)); i++
    :: i == MAILS -> break
    od;
#if DECISIONS > 0 || PROOFS > 0
    i = 0;
    do
    :: i < DECIDERS -> run Decide(i, 0); run Decide(i, 1); run Claim(CALLER(i), 0, MAILS); run Claim(CALLER(i), 1, MAILS); i++
    :: i == DECIDERS -> break
    od;
#endif
#if LOST_CALLS > 0
    run Late();
#endif
    i = 0
  }
}
