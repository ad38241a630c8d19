package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/editlock/editlock/store"
)

// walPragmas are for every connection that writes. Checkpoints are ours, so the automatic ones are off;
// temporary files would be one more way for a disk to fail.
var walPragmas = []string{
	"busy_timeout(1000)", "journal_mode(WAL)", "synchronous(FULL)", "fullfsync(1)", "checkpoint_fullfsync(1)",
	"wal_autocheckpoint(0)", "temp_store(MEMORY)", "cache_size(-16384)", "cell_size_check(1)",
}

// writer is the one connection that writes. Only the goroutine runWriter uses it.
type writer struct {
	db   *sql.DB
	conn *sql.Conn
	last int64 // the last revision drawn, kept or not
	kept int64 // what the file says of the sequence: no revision above it is in use

	begin, commit, rollback, savepoint, undo, release         *sql.Stmt
	insert, update, remove, present, sequence, catchUp, empty *sql.Stmt
}

func openWriter(ctx context.Context, path string, now time.Time) (_ *writer, err error) {
	w := &writer{db: connect(path, walPragmas...)}
	defer func() {
		if err != nil {
			_ = w.close()
		}
	}()
	if w.conn, err = w.db.Conn(ctx); err != nil {
		return nil, err
	}
	var mode string
	if err := w.conn.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
		return nil, err
	}
	if mode != "wal" {
		return nil, fmt.Errorf("SQLite cannot keep a WAL here (journal mode %q): use a local file system", mode)
	}
	for _, s := range w.statements() {
		if *s.to, err = w.conn.PrepareContext(ctx, s.sql); err != nil {
			return nil, err
		}
	}
	if err := w.conn.QueryRowContext(ctx, "SELECT last FROM sequence").Scan(&w.kept); err != nil {
		return nil, err
	}
	// It need not be written: whoever draws a revision above what is kept writes it.
	w.last = max(w.kept, now.UnixMicro())
	if w.last >= store.MaxRev {
		return nil, fmt.Errorf("revisions are at their end (%d): the clock of this machine says %v; set it right", w.last, now)
	}
	return w, nil
}

func (w *writer) close() error {
	if w.conn == nil {
		return w.db.Close()
	}
	// database/sql does not close the statements of a pinned connection, and SQLite stays open while one is.
	var errs []error
	for _, s := range w.statements() {
		if *s.to != nil {
			errs = append(errs, (*s.to).Close())
		}
	}
	return errors.Join(append(errs, w.conn.Close(), w.db.Close())...)
}

type statement struct {
	to  **sql.Stmt
	sql string
}

func (w *writer) statements() []statement {
	return []statement{
		{&w.begin, "BEGIN IMMEDIATE"},
		{&w.commit, "COMMIT"},
		{&w.rollback, "ROLLBACK"},
		{&w.savepoint, "SAVEPOINT one"},
		{&w.undo, "ROLLBACK TO one"},
		{&w.release, "RELEASE one"},
		{&w.insert, "INSERT INTO records (key, rev, due, data) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"},
		{&w.update, "UPDATE records SET rev = ?, due = ?, data = ? WHERE key = ? AND rev = ?"},
		{&w.remove, "DELETE FROM records WHERE key = ? AND rev = ?"},
		{&w.present, "SELECT rev FROM records WHERE key = ?"},
		{&w.sequence, "UPDATE sequence SET last = ?"},
		{&w.catchUp, "PRAGMA wal_checkpoint(PASSIVE)"},
		{&w.empty, "PRAGMA wal_checkpoint(TRUNCATE)"},
	}
}

// ahead is how many revisions are reserved with one write of the sequence, which would cost every commit a
// page of its own. A start goes on above those that were not used.
const ahead = 4096

// A job is what the goroutine of the writer is asked to do.
type job struct {
	batch   []store.Group
	raise   int64 // with an empty batch
	results []store.Result
	keeps   int64 // what the file says of the sequence once it is committed
	err     error
	done    chan struct{}
	state   atomic.Int32 // who was first: the caller who gives up, or the writer that commits
}

const (
	undecided int32 = iota
	givenUp
	committing
)

// Apply does a batch in one transaction.
func (s *Store) Apply(ctx context.Context, batch []store.Group) ([]store.Result, error) {
	if err := store.Check(batch); err != nil {
		return nil, err
	}
	j := &job{batch: batch, done: make(chan struct{})}
	if err := s.submit(ctx, j); err != nil {
		return nil, err
	}
	s.hints.Send(batch, j.results)
	return j.results, nil
}

// Raise makes every later revision greater than rev.
func (s *Store) Raise(ctx context.Context, rev int64) error {
	if rev >= store.MaxRev {
		return fmt.Errorf("%w: revision %d, below %d", store.ErrTooLarge, rev, int64(store.MaxRev))
	}
	return s.submit(ctx, &job{raise: rev, done: make(chan struct{})})
}

// submit has a job done, and waits no longer than the timeout, even when the disk hangs.
func (s *Store) submit(ctx context.Context, j *job) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.calls.Done()
	timer := time.NewTimer(s.lim.timeout)
	defer timer.Stop()
	slow := fmt.Errorf("%w: no answer within %v", store.ErrUnavailable, s.lim.timeout)
	select {
	case s.jobs <- j:
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return slow
	}
	select {
	case <-j.done:
		return j.err
	case <-ctx.Done():
		if j.state.CompareAndSwap(undecided, givenUp) {
			return ctx.Err()
		}
	case <-timer.C:
		if j.state.CompareAndSwap(undecided, givenUp) {
			return slow
		}
		timer.Reset(0)
	}
	select {
	case <-j.done:
		return j.err
	case <-timer.C:
		return fmt.Errorf("%w: the disk has not answered within %v", store.ErrUnknown, s.lim.timeout)
	}
}

func (s *Store) runWriter() {
	for {
		select {
		case j := <-s.jobs:
			s.do(j)
			close(j.done)
			s.afterWrite(j.batch)
		case <-s.stop:
			return
		}
	}
}

var errGivenUp = errors.New("given up by the caller")

func (s *Store) do(j *job) {
	if j.err = s.failure(); j.err != nil {
		return
	}
	wrote, err := s.writer.transact(j)
	if err == nil && wrote && !j.state.CompareAndSwap(undecided, committing) {
		err = errGivenUp
	}
	if err != nil || !wrote {
		_, _ = s.writer.rollback.Exec()
		if err != nil && err != errGivenUp {
			err = s.fail(context.Background(), err)
			s.checks.ask() // if the disk is full, this can make room in the WAL
		}
		j.err = err
		return
	}
	if _, err := s.writer.commit.Exec(); err != nil {
		// SQLite may have rolled back by itself. If it has not and this fails as well, the next BEGIN does.
		_, _ = s.writer.rollback.Exec()
		j.err = s.failCommit(err)
		return
	}
	s.writer.kept = j.keeps
}

// failCommit says what became of a transaction whose COMMIT failed. A full disk leaves its frames without the
// end that makes them count. When shared memory cannot grow, or a sync fails, they are whole in the WAL: a
// crash right now could bring them back.
func (s *Store) failCommit(err error) error {
	switch judge(err) {
	case passing:
		s.checks.ask() // what is in the WAL already can make room
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	case shared:
		return fmt.Errorf("%w: %w", store.ErrUnknown, err)
	}
	return fmt.Errorf("%w: %w", store.ErrUnknown, s.stopForGood(err))
}

// transact does all of a job but its end.
func (w *writer) transact(j *job) (wrote bool, err error) {
	if _, err := w.begin.Exec(); err != nil {
		return false, err
	}
	w.last = max(w.last, j.raise)
	wrote = j.raise > w.kept // also if it is below what is drawn next: the file does not say so yet
	j.results = make([]store.Result, len(j.batch))
	for i, g := range j.batch {
		if j.state.Load() == givenUp {
			return false, errGivenUp
		}
		rev, err := w.group(g, len(j.batch) == 1)
		switch {
		case err == nil:
			wrote = true
		case !isRefusal(err):
			return false, err
		}
		j.results[i] = store.Result{Rev: rev, Err: err}
	}
	j.keeps = w.kept
	if wrote && w.last > w.kept {
		j.keeps = min(w.last+ahead, store.MaxRev)
		if _, err := w.sequence.Exec(j.keeps); err != nil {
			return false, err
		}
	}
	return wrote, nil
}

// group does all operations of a group or none. A single statement is that by itself; a group that is alone in its
// transaction has been undone with it, since nothing was written then.
func (w *writer) group(g store.Group, alone bool) (int64, error) {
	if w.last >= store.MaxRev {
		return 0, fmt.Errorf("%w: the sequence is at its end", store.ErrRevision)
	}
	w.last++ // also when it fails: nothing is lost by a gap
	rev := w.last
	if alone || len(g) == 1 {
		for i := range g {
			if err := w.op(rev, &g[i]); err != nil {
				return 0, err
			}
		}
		return rev, nil
	}
	if _, err := w.savepoint.Exec(); err != nil {
		return 0, err
	}
	var refused error
	for i := range g {
		if refused = w.op(rev, &g[i]); refused != nil {
			break
		}
	}
	if refused != nil {
		if !isRefusal(refused) {
			return 0, refused // SQLite may have rolled back all of the transaction; the caller does in any case
		}
		if _, err := w.undo.Exec(); err != nil {
			return 0, err
		}
	}
	if _, err := w.release.Exec(); err != nil {
		return 0, err
	}
	if refused != nil {
		return 0, refused
	}
	return rev, nil
}

// isRefusal tells what concerns one group from what concerns the engine.
func isRefusal(err error) bool {
	return errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrRevision)
}

func (w *writer) op(rev int64, op *store.Op) error {
	key := []byte(op.Key)
	if op.Expect >= rev || op.Expect == 0 && op.Delete || op.Keep {
		return w.without(op, key)
	}
	var due any
	if !op.Due.IsZero() {
		due = op.Due.UnixMicro()
	}
	data := op.Data
	if data == nil {
		data = []byte{} // nil would be NULL
	}
	var res sql.Result
	var err error
	switch {
	case op.Delete:
		res, err = w.remove.Exec(key, op.Expect)
	case op.Expect == 0:
		res, err = w.insert.Exec(key, rev, due, data)
	default:
		res, err = w.update.Exec(rev, due, data, key, op.Expect)
	}
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err == nil && n == 0 {
		err = store.ErrConflict
	}
	return err
}

// without judges an operation that writes nothing: one that demands a record as it is, or that there is none, and one
// whose record has a revision that the sequence has not reached.
func (w *writer) without(op *store.Op, key []byte) error {
	var have int64
	err := w.present.QueryRow(key).Scan(&have)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		have = 0
	case err != nil:
		return err
	}
	switch {
	case have != op.Expect:
		return store.ErrConflict
	case op.Expect > 0 && !op.Keep:
		return fmt.Errorf("%w: %q has %d, the sequence is at %d", store.ErrRevision, op.Key, have, w.last)
	}
	return nil
}
