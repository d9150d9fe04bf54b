/* A submission of two recipients in one gateway's spool: who takes its transmissions out, and when its content goes.
   src/spool/shares.ts, src/spool/removing.ts, src/spool/loading.ts, src/dispatch/resolutions.ts. README.md beside it says how to run it. */

#ifndef OPERATORS
#define OPERATORS 1
#endif
#ifndef FAULTS
#define FAULTS 2        /* commits of the disk that fail; of those some take effect all the same */
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifdef HOLD             /* doubtful = "hold", else "resend" */
#define AFTER_DOUBT held
#else
#define AFTER_DOUBT lane
#endif
#define N 2             /* recipients */
#define CALLERS (N + OPERATORS)

mtype = { lane, held, attempting, settling, ending, out,                     /* one transmission in its gateway */
          unasked, asked, committing, done, gone, failed,              /* a removal */
          undecided, decided, carrying };                              /* an operator's decision */

/* What the disk has. A removal is not synced; a replacement by a report is, and all that came before it. */
byte stored = 3;        /* transmissions, a bit each */
bit content = 1;
byte synced = 3;
bit syncedContent = 1;
byte middle = 3;        /* before the latest commit: a loss of power keeps any beginning of what is not synced */
bit middleContent = 1;
byte reported;          /* replaced by a report that is durable */

/* What the ledger has, durably. */
byte relayed;
byte doubtful;

/* What the process knows. */
bit isUp = 1;
mtype work[N] = lane;
bit isRefused[N];       /* for good: it is to be replaced by its report */
byte staying = 3;       /* shares.ts: those whose removal has not succeeded */
byte leaving;           /* of them, those whose removal is being committed */
byte count = N;          /* what the spool had instead, before */

/* A removal of each caller: the work on a transmission, or an operator. */
mtype removal[CALLERS] = unasked;
byte which[CALLERS];
bit isLast[CALLERS];
bit withReport[CALLERS];
#ifdef COUNTED_AT_ONCE
bit isSecond[CALLERS];  /* another one was being committed when it began */
#endif

mtype operator[OPERATORS] = undecided;
byte choice[OPERATORS];

byte faults = FAULTS;
byte crashes = CRASHES;
byte lost = 2;          /* answers of the upstream */

#define BIT(i) (1 << (i))
#define HAS(set, i) ((set) & BIT(i))
#define NAME(i) (97 + (i))
#define ISBUSY(i) (work[i] == attempting || work[i] == settling || work[i] == ending)

inline remove(caller, one, report) {
  which[caller] = one;
  withReport[caller] = report;
  removal[caller] = asked
}

/* The store takes the commit of the caller. */
inline take(caller) {
  middle = stored;
  middleContent = content;
  if
#if defined(COUNTED) || defined(COUNTED_AT_ONCE)
  :: isLast[caller] -> stored = stored & ~BIT(which[caller]); content = 0
#else
  :: isLast[caller] -> stored = 0; content = 0   /* it names every transmission of the submission */
#endif
  :: else -> stored = stored & ~BIT(which[caller])
  fi;
  if
  :: withReport[caller] -> reported = reported | BIT(which[caller]); synced = stored; syncedContent = content
  :: else
  fi
}

/* shares.ts, removing.ts: one removal from its call to its end. */
proctype Removal(byte c) {
end:
  do
#ifdef COUNTED
  /* Before: what was left was counted, and each call counted down. */
  :: d_step { isUp && removal[c] == asked && count > 0 && leaving == 0 ->
       count--; isLast[c] = (count == 0);
       leaving = BIT(which[c]); removal[c] = committing }
  :: d_step { isUp && removal[c] == asked && count == 0 -> removal[c] = gone }
#else
  :: d_step { isUp && removal[c] == asked && !(staying & BIT(which[c])) -> removal[c] = gone }
#ifdef COUNTED_AT_ONCE
  /* Before: one that is being removed counted as removed. */
  :: d_step { isUp && removal[c] == asked && (staying & BIT(which[c])) && !(leaving & BIT(which[c])) ->
       isLast[c] = ((staying & ~leaving) == BIT(which[c])); isSecond[c] = (leaving != 0);
#else
  /* One that may be the last waits for those under way. */
  :: d_step { isUp && removal[c] == asked && (staying & BIT(which[c])) && !(leaving & BIT(which[c])) &&
              (leaving == 0 || (staying & ~leaving) != BIT(which[c])) ->
       isLast[c] = (staying == BIT(which[c]));
#endif
       leaving = leaving | BIT(which[c]);
       removal[c] = committing }
#endif
#ifdef COUNTED_AT_ONCE  /* Commits end in the order in which they began. */
  :: atomic { isUp && removal[c] == committing && (!isSecond[c] || leaving == BIT(which[c])) ->
#else
  :: atomic { isUp && removal[c] == committing ->
#endif
       if
       :: take(c); staying = staying & ~BIT(which[c]); removal[c] = done;
          printf("gateway: %c@ leaves the spool\n", NAME(which[c]))
       :: faults > 0 -> faults--; removal[c] = failed;
          printf("disk: the removal of %c@ fails\n", NAME(which[c]))
       :: faults > 0 -> faults--; take(c); removal[c] = failed;
          printf("disk: the removal of %c@ takes effect, and its answer is an error\n", NAME(which[c]))
       fi;
       leaving = leaving & ~BIT(which[c]) }
  od
}

/* attempt.ts, recorder.ts: attempts of one transmission, until it is relayed or replaced by its report. */
proctype Work(byte i) {
end:
  do
  :: d_step { isUp && work[i] == lane && !HAS(relayed, i) -> work[i] = attempting;
       printf("gateway: attempts the mail to %c@\n", NAME(i)) }
  /* The ledger has it as relayed, so its attempt is stale, or the start finds that: it is taken out. */
  :: d_step { isUp && work[i] == lane && HAS(relayed, i) -> remove(i, i, 0); work[i] = ending;
       printf("gateway: finds before an attempt that %c@ was decided, and takes it out\n", NAME(i)) }
  :: atomic { isUp && work[i] == attempting ->
       if
       :: isRefused[i] = 0; work[i] = settling; printf("upstream: takes the mail to %c@\n", NAME(i))
       :: isRefused[i] = 1; work[i] = settling; printf("upstream: refuses the mail to %c@ for good\n", NAME(i))
       :: lost > 0 && !HAS(relayed, i) -> lost--; doubtful = doubtful | BIT(i); work[i] = AFTER_DOUBT;
          printf("upstream: gives no answer about the mail to %c@, which is in doubt now\n", NAME(i))
       fi }
  :: d_step { isUp && work[i] == settling ->
       if
       :: HAS(relayed, i) -> remove(i, i, 0);   /* stale: it was decided meanwhile (resolutions.ts, during) */
          printf("gateway: finds at the end of the attempt that %c@ was decided, and takes it out\n", NAME(i))
       :: !HAS(relayed, i) && !isRefused[i] -> relayed = relayed | BIT(i); remove(i, i, 0);
          printf("gateway: settles %c@ as relayed, and takes it out\n", NAME(i))
       :: !HAS(relayed, i) && isRefused[i] -> remove(i, i, 1);
          printf("gateway: puts a report in the place of %c@\n", NAME(i))
       fi;
       work[i] = ending }
  :: d_step { isUp && work[i] == ending && (removal[i] == done || removal[i] == gone) ->
       removal[i] = unasked; work[i] = out }
  :: d_step { isUp && work[i] == ending && removal[i] == failed -> removal[i] = asked;
       printf("gateway: tries again to take %c@ out\n", NAME(i)) }
  od
}

/* operator/doubtful.ts, resolutions.ts: one operator decides once, at any moment, that a mail in doubt was relayed. */
proctype Operator(byte k) {
end:
  do
  :: atomic { isUp && operator[k] == undecided && (doubtful & stored) != 0 ->
       if
       :: HAS(doubtful & stored, 0) -> choice[k] = 0
       :: HAS(doubtful & stored, 1) -> choice[k] = 1
       fi;
       if
       :: !HAS(relayed, choice[k]) -> relayed = relayed | BIT(choice[k]); operator[k] = decided;
          printf("operator %d: decides that the mail to %c@ was relayed\n", k + 1, NAME(choice[k]))
#ifdef TAKEN_TWICE
       :: HAS(relayed, choice[k]) -> operator[k] = decided;
          printf("operator %d: decides that the mail to %c@ was relayed, once more\n", k + 1, NAME(choice[k]))
#else
       :: HAS(relayed, choice[k]) -> operator[k] = carrying;
          printf("operator %d: hears that there is nothing to decide about %c@\n", k + 1, NAME(choice[k]))
#endif
       fi }
#ifndef TAKEN_OUT_UNDER_WAY
  :: d_step { isUp && operator[k] == decided && ISBUSY(choice[k]) -> operator[k] = carrying }
  :: d_step { isUp && operator[k] == decided && !ISBUSY(choice[k]) ->
#else
  :: d_step { isUp && operator[k] == decided && ISBUSY(choice[k]) ->
#endif
       remove(N + k, choice[k], 0); operator[k] = carrying;
       printf("operator %d: takes %c@ out of the spool\n", k + 1, NAME(choice[k])) }
  :: d_step { isUp && operator[k] == carrying && (removal[N + k] == done || removal[N + k] == gone) ->
       removal[N + k] = unasked;
       if
       :: work[choice[k]] == lane || work[choice[k]] == held -> work[choice[k]] = out
       :: else
       fi }
  /* Its next attempt finds what was decided. */
  :: d_step { isUp && operator[k] == carrying && removal[N + k] == failed -> removal[N + k] = unasked;
       if
       :: work[choice[k]] == held -> work[choice[k]] = lane
       :: else
       fi }
  od
}

/* A loss of power at any moment, and the next start (loading.ts, recovery.ts). */
proctype Machine() {
  byte i;
end:
  do
  :: atomic { isUp && crashes > 0 -> crashes--; isUp = 0; printf("machine: loses power\n");
       if
       :: true
       :: stored = middle; content = middleContent
       :: stored = synced; content = syncedContent
       fi;
       i = 0;
       do
       :: i < N ->
          if
          :: work[i] == attempting -> doubtful = doubtful | BIT(i)
          :: else
          fi;
          isRefused[i] = 0; work[i] = out; i++
       :: i == N -> break
       od;
       i = 0;
       do
       :: i < CALLERS -> removal[i] = unasked; isLast[i] = 0; which[i] = 0; withReport[i] = 0; i++
       :: i == CALLERS -> break
       od;
       i = 0;
       do
       :: i < OPERATORS -> 
          if
          :: operator[i] == decided -> operator[i] = carrying
          :: else
          fi;
          i++
       :: i == OPERATORS -> break
       od;
       i = 0;
       staying = 0; leaving = 0; count = 0 }
  :: atomic { !isUp -> isUp = 1;
       content = content && stored != 0;         /* loading.ts, removeContents */
       staying = stored; middle = stored; middleContent = content;
       synced = stored; syncedContent = content;
       printf("machine: starts\n");
       do
       :: i < N ->
          if
          :: HAS(stored, i) -> count++;
             if
             :: HAS(doubtful, i) && !HAS(relayed, i) -> work[i] = AFTER_DOUBT
             :: else -> work[i] = lane
             fi
          :: else
          fi;
          i++
       :: i == N -> break
       od;
       i = 0 }
  od
}

/* What always is so, and what is so in the end. */
active proctype Watch() {
end:
  do
  :: stored != 0 && !content -> printf("promise: a transmission is in the spool, and its content is not\n");
     assert(false)
  :: timeout ->
     assert(isUp && content == (stored != 0));     /* no content stays behind */
     /* P5: each is relayed, decided so, or reported; or it is held for an operator, who may decide no more here. */
     assert((!HAS(stored, 0) && HAS(relayed | reported, 0)) || work[0] == held);
     assert((!HAS(stored, 1) && HAS(relayed | reported, 1)) || work[1] == held);
     break
  od
}

init {
  byte k;
  atomic {
    run Work(0); run Work(1); run Machine();
    do
    :: k < CALLERS -> run Removal(k); k++
    :: k == CALLERS -> break
    od;
    k = 0;
    do
    :: k < OPERATORS -> run Operator(k); k++
    :: k == OPERATORS -> break
    od
  }
}
