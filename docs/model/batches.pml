/* Two ids in one batch: submissions of one mail to both, or one, of two recipients, at two gateways that share a ledger. One call
   of the engine carries an item for each id that asks; it may be applied in part, late, or without an answer. README.md
   beside this has the function of src/ behind each action; ledger.pml has what happens to one id.

   Here the upstream takes every mail and answers, and what was attempted is not taken over: doubt is in ledger.pml. */

#ifndef LOST_CALLS
#define LOST_CALLS 0         /* calls of the engine without an answer: each item took effect, never does, or does so late */
#endif
#ifndef AWAYS
#define AWAYS 0              /* times that gateway A stands still for longer than its lease */
#endif
#ifndef UNFIT
#define UNFIT 0              /* submissions that are refused once their ids are claimed */
#endif
#ifndef CALLERS
#define CALLERS 2            /* submissions of the task: at gateway A, at B, and a third one at A */
#endif

#define IDS 2
#define GATEWAYS 2
#ifdef ALONE                 /* all of them at gateway A */
#define SITE(c) 0
#else
#define SITE(c) ((c) % 2)
#endif
#define AT(g, i) (IDS * (g) + (i))
#define OF(c, i) AT(SITE(c), i)
#define NAME(g) (65 + (g))
#define ID(i) (120 + (i))    /* x and y, in the order of ids */
#define THEMAIL CALLERS      /* the caller of a claim that a mail of the spool makes again */

mtype = { absent, claimed, attempted, relayed,               /* a record */
          idle, asked, pending, later, held, accepted,       /* an entry of claims.ts */
          reserving, claiming, entering, done,               /* a submission */
          entered, noting, sending, settling, lapsed,        /* a mail of the spool */
          repeat,                                            /* a result, beside held */
          inserts };                                         /* a late item, beside changes */

/* The engine, by id (engine.ts). */
mtype rState[IDS] = absent;
byte rFence[IDS];
byte rStep[IDS];
byte rHolder[IDS];           /* the gateway's number + 1 */
mtype late[IDS] = idle;      /* an item on its way: inserts, or what a change makes of the record */
byte lateOf[IDS];
byte lateFence[IDS];
byte lateStep[IDS];

/* By gateway and id: the entry, and the mail of the spool. */
mtype entry[4] = idle;
byte owner[4];
byte fence[4];
byte step[4];
mtype want[4] = idle;        /* the change that is asked for */
bit left[4];                 /* what this gateway has without an entry is to be given up (leavings.ts) */
mtype mail[4] = idle;        /* once it is noting, a client got 250 that rests on it */

bit away[GATEWAYS];
mtype phase[CALLERS] = reserving;
bit has[6];                  /* by caller and id: it is in the batch */
mtype result[6] = idle;
#define R(c, i) (IDS * (c) + (i))

byte copies[IDS];
bit excused;                 /* there was a fault: a client may get 451 */
byte lostCalls = LOST_CALLS;
byte aways = AWAYS;
byte unfit = UNFIT;
bit isLost;
byte how[IDS];               /* 0 not in the call; 1 made; 2 never made; 3 to be made late */
bit ok[IDS];
byte n;
byte m;
byte whose;

#define ISOTHERS(g, i) (rHolder[i] != 0 && rHolder[i] != (g) + 1)
#define ISALIVE(i) (rHolder[i] != 0 && !away[rHolder[i] - 1])
#define ISPENDING(g, i) (rState[i] == claimed && ISOTHERS(g, i) && ISALIVE(i))
#define ISREPEAT(g, i) (rState[i] == relayed || (rState[i] == attempted && ISOTHERS(g, i)))
#define CLEAR isLost = 0; how[0] = 0; how[1] = 0; ok[0] = 0; ok[1] = 0; n = 0; m = 0

/* The order in which a batch reserves. */
#ifdef NOT_IN_ORDER
#define TURN(c, n) (c == 2 -> 1 - (n) : (n))
#else
#define TURN(c, n) (n)
#endif

/* What the batch of this submission has of the id, and whether that is all that it can get. */
#define HAS(c, i, what) (entry[OF(c, i)] == what && owner[OF(c, i)] == (c))
#define ISDECIDED(c, i) (!has[R(c, i)] || result[R(c, i)] == repeat || (HAS(c, i, held) && want[OF(c, i)] == idle))
#define WAITSFOR(c, i) (HAS(c, i, pending) && ISPENDING(SITE(c), i))

/* The entry asks in the next call: a batch asks when it has reserved all, and what comes after a pending id waits. */
#define ASKS(g, i) (entry[AT(g, i)] == asked && (owner[AT(g, i)] == THEMAIL || phase[owner[AT(g, i)]] == claiming))
#define WANTS(g, i) (want[AT(g, i)] != idle)

inline endEntry(e) { entry[e] = idle; owner[e] = 0; fence[e] = 0; step[e] = 0; want[e] = idle }

/* A client's 250, or what its mail owes, rests on another mail of this id. */
inline rely(i) {
  if
  :: copies[i] > 0 || mail[AT(0, i)] == noting || mail[AT(0, i)] == sending || mail[AT(0, i)] == settling || mail[AT(0, i)] == lapsed ||
     mail[AT(1, i)] == noting || mail[AT(1, i)] == sending || mail[AT(1, i)] == settling || mail[AT(1, i)] == lapsed
  :: else -> printf("promise: 250 for id %c rests on a mail that is in no spool\n", ID(i)); assert(false)
  fi
}

/* Which items the call carries, and what becomes of each. */
inline carry(asks0, asks1) {
  if
  :: asks0 -> how[0] = 1
  :: asks1 -> how[1] = 1
  :: asks0 && asks1 -> how[0] = 1; how[1] = 1
  fi;
  if
  :: isLost = 0
  :: lostCalls > 0 -> lostCalls--; isLost = 1; excused = 1;
     n = 0;
     do
     :: n < IDS && how[n] == 1 ->
        if
        :: skip
        :: how[n] = 2
        :: late[n] == idle -> how[n] = 3
        fi;
        n++
     :: n < IDS && how[n] != 1 -> n++
     :: n == IDS -> n = 0; break
     od
  fi
}

/* Answers stand in the order of the batch, which is that of the ids (lanes.ts). */
#ifdef ANSWERS_SWAPPED
#define ANSWER(i) (how[1 - (i)] != 0 -> 1 - (i) : (i))
#else
#define ANSWER(i) (i)
#endif

/* claim-batch.ts: nothing is claimed for the batch any more, and what the engine has of it is given up. */
inline failBatch(c) {
  m = 0;
  do
  :: m < IDS && entry[OF(c, m)] != idle && owner[OF(c, m)] == c ->
#ifdef ONE_LEFT
     left[OF(c, m)] = (m == 0);
#else
     left[OF(c, m)] = 1;
#endif
     endEntry(OF(c, m)); m++
  :: m < IDS && !(entry[OF(c, m)] != idle && owner[OF(c, m)] == c) -> m++
  :: m == IDS -> m = 0; break
  od;
  phase[c] = done;
  printf("gateway %c: answers 451 to submission %d\n", NAME(SITE(c)), c);
  if
  :: !excused -> printf("promise: 451 without a fault\n"); assert(false)
  :: else
  fi
}

inline fails(g, i) {
  if
  :: owner[AT(g, i)] == THEMAIL -> left[AT(g, i)] = 1; endEntry(AT(g, i))
  :: owner[AT(g, i)] != THEMAIL -> whose = owner[AT(g, i)]; failBatch(whose); whose = 0
  fi
}

inline sayHow(g) {
  if
  :: isLost -> printf("engine: does not answer a call of gateway %c; items for x and y: %d %d (1 made, 2 never, 3 late)\n", NAME(g), how[0], how[1])
  :: else
  fi
}

/* ---- lanes.ts and engine.ts: a call for one id or for both. */
proctype Calls(byte g) {
  byte i;
end:
  do
  /* claiming.ts, tryOne: it inserts, or reads what is there and takes that over. */
  :: atomic { !away[g] && (ASKS(g, 0) || ASKS(g, 1)) ->
       carry(ASKS(g, 0), ASKS(g, 1));
#ifdef INSERT_FAILS_WHOLE
       if
       :: how[0] == 1 && how[1] == 1 && !isLost && (rState[0] != absent || rState[1] != absent) -> isLost = 1; how[0] = 2; how[1] = 2
       :: else
       fi;
#endif
       sayHow(g);
       do
       :: i < IDS && how[i] == 1 ->
          ok[i] = (!ISPENDING(g, i) && !ISREPEAT(g, i));
          if
          :: ok[i] -> rState[i] = claimed; rFence[i]++; rStep[i] = 0; rHolder[i] = g + 1
          :: else
          fi;
          i++
       :: i < IDS && how[i] == 3 -> late[i] = inserts; lateOf[i] = g + 1; i++
       :: i < IDS && (how[i] == 0 || how[i] == 2) -> i++
       :: i == IDS -> i = 0; break
       od;
       do
       :: i < IDS && how[i] != 0 && isLost && entry[AT(g, i)] == asked -> fails(g, i); i++
       :: i < IDS && how[i] != 0 && !isLost ->
          if
          :: ok[ANSWER(i)] -> entry[AT(g, i)] = held; fence[AT(g, i)] = rFence[ANSWER(i)];
             printf("gateway %c: claims id %c with fence %d\n", NAME(g), ID(i), fence[AT(g, i)])
          :: !ok[ANSWER(i)] && ISPENDING(g, ANSWER(i)) -> entry[AT(g, i)] = pending;
             printf("gateway %c: finds id %c claimed by the other, which has not accepted it\n", NAME(g), ID(i))
          :: !ok[ANSWER(i)] && !ISPENDING(g, ANSWER(i)) ->
             if
             :: owner[AT(g, i)] == THEMAIL ->
                mail[AT(g, i)] = idle; rely(i);
                printf("gateway %c: takes its mail of id %c out, since the other has it\n", NAME(g), ID(i))
             :: else -> result[R(owner[AT(g, i)], i)] = repeat; rely(i);
                printf("gateway %c: finds id %c to be a repeat\n", NAME(g), ID(i))
             fi;
             endEntry(AT(g, i))
          fi;
          i++
       :: i < IDS && (how[i] == 0 || (isLost && entry[AT(g, i)] != asked)) -> i++
       :: i == IDS -> i = 0; break
       od;
       CLEAR }
  /* held.ts: changes under the fences of the claims, each numbered. */
  :: atomic { !away[g] && (WANTS(g, 0) || WANTS(g, 1)) ->
       carry(WANTS(g, 0), WANTS(g, 1)); sayHow(g);
       do
       :: i < IDS && how[i] != 0 ->
          step[AT(g, i)]++;
          ok[i] = (rState[i] != absent && rFence[i] == fence[AT(g, i)] && rStep[i] <= step[AT(g, i)]);
          i++
       :: i < IDS && how[i] == 0 -> i++
       :: i == IDS -> i = 0; break
       od;
#ifdef CHANGE_FAILS_WHOLE
       if
       :: how[0] != 0 && how[1] != 0 -> ok[0] = ok[0] && ok[1]; ok[1] = ok[0]
       :: else
       fi;
#endif
       do
       :: i < IDS && how[i] == 1 && ok[i] ->
          rState[i] = want[AT(g, i)]; rStep[i] = step[AT(g, i)];
          rHolder[i] = (want[AT(g, i)] == attempted -> g + 1 : 0);
          i++
       :: i < IDS && how[i] == 3 ->
          late[i] = want[AT(g, i)]; lateOf[i] = g + 1; lateFence[i] = fence[AT(g, i)]; lateStep[i] = step[AT(g, i)]; i++
       :: i < IDS && (how[i] == 0 || how[i] == 2 || (how[i] == 1 && !ok[i])) -> i++
       :: i == IDS -> i = 0; break
       od;
       do
       /* What is settled is settled again and again; a claim that is given back fails with its batch. */
       :: i < IDS && how[i] != 0 && isLost ->
          if
          :: want[AT(g, i)] == absent -> fails(g, i)
          :: else
          fi;
          i++
       :: i < IDS && how[i] != 0 && !isLost ->
          if
          :: want[AT(g, i)] == absent && entry[AT(g, i)] == accepted -> endEntry(AT(g, i))
          :: want[AT(g, i)] == absent && entry[AT(g, i)] != accepted -> want[AT(g, i)] = idle;
             entry[AT(g, i)] = later; fence[AT(g, i)] = 0; step[AT(g, i)] = 0;
             printf("gateway %c: gives id %c back, and waits for the one before\n", NAME(g), ID(i))
          :: want[AT(g, i)] == attempted && ok[ANSWER(i)] -> want[AT(g, i)] = idle; mail[AT(g, i)] = sending;
             printf("gateway %c: has noted the attempt of id %c\n", NAME(g), ID(i))
          :: want[AT(g, i)] == attempted && !ok[ANSWER(i)] -> endEntry(AT(g, i)); mail[AT(g, i)] = lapsed;
             printf("gateway %c: finds that its claim of id %c is lost\n", NAME(g), ID(i))
          :: want[AT(g, i)] == relayed && ok[ANSWER(i)] -> endEntry(AT(g, i)); mail[AT(g, i)] = idle;
             printf("gateway %c: has settled id %c, and takes its mail out\n", NAME(g), ID(i))
          :: want[AT(g, i)] == relayed && !ok[ANSWER(i)] ->
             printf("promise: nobody takes over what is attempted, and gateway %c is told that its claim of id %c is lost\n", NAME(g), ID(i));
             assert(false)
          fi;
          i++
       :: i < IDS && how[i] == 0 -> i++
       :: i == IDS -> i = 0; break
       od;
       CLEAR }
  od
}

/* ---- claim-batch.ts, claiming.ts, accept.ts: a submission of one or two ids. */
proctype Submit(byte c) {
  byte g = SITE(c);
  byte i;
  atomic {
    !away[g];
    if
    :: has[R(c, 0)] = 1
    :: has[R(c, 1)] = 1
    :: has[R(c, 0)] = 1; has[R(c, 1)] = 1
    fi;
    printf("client: submits the mail as submission %d to gateway %c; recipients x and y: %d %d\n", c, NAME(g), has[R(c, 0)], has[R(c, 1)]);
    /* In the order of the ids: reserved, a repeat of this gateway's own mail, or waited for. */
    do
    :: !away[g] && i < IDS && has[R(c, TURN(c, i))] && entry[OF(c, TURN(c, i))] == idle ->
       entry[OF(c, TURN(c, i))] = asked; owner[OF(c, TURN(c, i))] = c; i++
    :: !away[g] && i < IDS && has[R(c, TURN(c, i))] && entry[OF(c, TURN(c, i))] == accepted ->
       result[R(c, TURN(c, i))] = repeat; rely(TURN(c, i)); i++
    :: i < IDS && !has[R(c, TURN(c, i))] -> i++
    :: i == IDS -> i = 0; break
    od;
    phase[c] = claiming
  };
end:
  do
  /* Ids are held in their order: what comes after a pending one is given back, and asked for when that is decided. */
#ifndef NOTHING_GIVEN_BACK
  :: d_step { !away[g] && HAS(c, 0, pending) && HAS(c, 1, held) && want[OF(c, 1)] == idle -> want[OF(c, 1)] = absent }
#endif
  :: d_step { !away[g] && HAS(c, 1, later) && !HAS(c, 0, pending) && !HAS(c, 0, asked) -> entry[OF(c, 1)] = asked }
  /* It is looked at again, and is not pending any more. */
  :: d_step { !away[g] && HAS(c, 0, pending) && !ISPENDING(g, 0) && want[OF(c, 1)] != absent -> entry[OF(c, 0)] = asked }
  :: d_step { !away[g] && HAS(c, 1, pending) && !ISPENDING(g, 1) -> entry[OF(c, 1)] = asked }
  /* After ten seconds it gives up, which happens after a fault only. */
  :: d_step { !away[g] && excused && (WAITSFOR(c, 0) || WAITSFOR(c, 1)) && want[OF(c, 1)] != absent -> failBatch(c); CLEAR }
  /* All are decided: what is claimed enters the spool, and then it is accepted. */
  :: d_step { !away[g] && phase[c] == claiming && ISDECIDED(c, 0) && ISDECIDED(c, 1) ->
       phase[c] = entering;
       if
       :: (HAS(c, 0, held) && mail[OF(c, 0)] != idle) || (HAS(c, 1, held) && mail[OF(c, 1)] != idle) ->
          excused = 1; failBatch(c)    /* a bound of the model: a spool has one mail of an id */
       :: else -> printf("gateway %c: has what it claimed for submission %d in its spool\n", NAME(g), c);
          do
          :: i < IDS && HAS(c, i, held) -> mail[OF(c, i)] = entered; i++
          :: i < IDS && !HAS(c, i, held) -> i++
          :: i == IDS -> i = 0; break
          od
       fi;
       CLEAR }
  /* It conflicts, or the disk is full: all that is claimed is released. */
  :: d_step { !away[g] && phase[c] == claiming && unfit > 0 && ISDECIDED(c, 0) && ISDECIDED(c, 1) ->
       unfit--; excused = 1; failBatch(c); CLEAR }
  :: d_step { !away[g] && phase[c] == entering -> phase[c] = done;
       do
       :: i < IDS && HAS(c, i, held) -> entry[OF(c, i)] = accepted; mail[OF(c, i)] = noting; want[OF(c, i)] = attempted; i++
       :: i < IDS && !HAS(c, i, held) -> i++
       :: i == IDS -> i = 0; break
       od;
       printf("gateway %c: answers 250 to submission %d\n", NAME(g), c) }
  od
}

/* ---- attempt.ts, lapsed.ts, leavings.ts: one id at one gateway. */
proctype Mail(byte g; byte i) {
  byte e = AT(g, i);
end:
  do
  :: d_step { !away[g] && mail[e] == sending ->
       if
       :: rState[i] == attempted && rHolder[i] == g + 1 && rFence[i] == fence[e]
       :: else -> printf("promise: no call for id %c without a durable attempt under its own claim\n", ID(i)); assert(false)
       fi;
       copies[i]++; mail[e] = settling; want[e] = relayed;
       printf("gateway %c: calls the upstream, which takes id %c\n", NAME(g), ID(i));
       if
       :: copies[i] > 1 -> printf("promise: id %c is relayed once\n", ID(i)); assert(false)
       :: else
       fi }
  /* Its claim is lost: it is claimed once more, as a batch of one. */
  :: d_step { !away[g] && mail[e] == lapsed && entry[e] == idle -> entry[e] = asked; owner[e] = THEMAIL }
  :: d_step { !away[g] && mail[e] == lapsed && entry[e] == accepted -> mail[e] = idle; rely(i) }
  :: d_step { !away[g] && entry[e] == pending && owner[e] == THEMAIL && !ISPENDING(g, i) -> entry[e] = asked }
  :: d_step { !away[g] && entry[e] == held && owner[e] == THEMAIL -> entry[e] = accepted; mail[e] = noting; want[e] = attempted }
  /* After the last call that may be late. What a claim of now has is its own. */
  :: d_step { !away[g] && left[e] && (late[i] == idle || lateOf[i] != g + 1) ->
       if
       :: entry[e] == idle && rState[i] == claimed && rHolder[i] == g + 1 -> rState[i] = absent; rHolder[i] = 0;
          printf("gateway %c: gives id %c up, which it has in the engine without a claim\n", NAME(g), ID(i))
       :: else
       fi;
       left[e] = 0 }
  od
}

/* ---- Gateway A stands still, and B takes it for dead; items of calls are late. */
proctype World() {
  byte i;
end:
  do
  :: d_step { aways > 0 && !away[0] -> aways--; away[0] = 1; excused = 1; printf("gateway A: stands still for longer than its lease\n") }
  :: d_step { away[0] -> away[0] = 0; printf("gateway A: goes on\n") }
  :: atomic { late[0] != idle || late[1] != idle ->
       if
       :: late[0] != idle -> i = 0
       :: late[1] != idle -> i = 1
       fi;
       if
       :: late[i] == inserts && rState[i] == absent -> rState[i] = claimed; rFence[i]++; rStep[i] = 0; rHolder[i] = lateOf[i]
       :: late[i] != inserts && rState[i] != absent && rFence[i] == lateFence[i] && rStep[i] <= lateStep[i] ->
          rState[i] = late[i]; rStep[i] = lateStep[i]; rHolder[i] = (late[i] == attempted -> lateOf[i] : 0)
       :: else
       fi;
       late[i] = idle; lateOf[i] = 0; lateFence[i] = 0; lateStep[i] = 0;
       printf("engine: a late item for id %c arrives; its record is %e now\n", ID(i), rState[i]); i = 0 }
  od
}

/* ---- When nothing can happen any more. */
active proctype End() {
  byte i;
end:
  do
  :: timeout ->
     d_step {
       do
       :: i < CALLERS ->
          if
          :: phase[i] != done -> printf("promise: submission %d waits for ever\n", i); assert(false)
          :: else
          fi;
          i++
       :: i == CALLERS -> i = 0; break
       od;
       do
       :: i < 4 ->
          if
          :: mail[i] != idle -> printf("promise: gateway %c has its mail of id %c for ever\n", NAME(i / 2), ID(i % 2)); assert(false)
          :: else
          fi;
          i++
       :: i == 4 -> i = 0; break
       od;
       do
       :: i < IDS ->
          if
          :: rState[i] != absent && rState[i] != relayed -> printf("promise: id %c is pending for ever\n", ID(i)); assert(false)
          :: else
          fi;
          i++
       :: i == IDS -> i = 0; break
       od
     };
     break
  od
}

init {
  byte i;
  atomic {
    do
    :: i < CALLERS -> run Submit(i); i++
    :: i == CALLERS -> i = 0; break
    od;
    do
    :: i < GATEWAYS -> run Calls(i); run Mail(i, 0); run Mail(i, 1); i++
    :: i == GATEWAYS -> i = 0; break
    od;
    run World()
  }
}
