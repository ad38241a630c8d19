package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/editlock/editlock/store"
)

// readers is how many reads can be under way at once: each has a connection, with a cache of its own.
const readers = 4

// reader reads on connections of its own, beside the writer and never waiting for it.
type reader struct {
	db                              *sql.DB
	get, list, due, changes, newest *sql.Stmt
}

func openReader(ctx context.Context, path string) (_ *reader, err error) {
	r := &reader{db: connect(path, "mode=ro", "busy_timeout(1000)", "query_only(1)", "temp_store(MEMORY)", "cell_size_check(1)")}
	r.db.SetMaxOpenConns(readers)
	r.db.SetMaxIdleConns(readers)
	defer func() {
		if err != nil {
			_ = r.close()
		}
	}()
	for _, s := range []struct {
		to  **sql.Stmt
		sql string
	}{
		{&r.get, "SELECT key, rev, due, data FROM records WHERE key = ?"},
		{&r.list, "SELECT key, rev, due, data FROM records WHERE key > ? AND key >= ? AND (? IS NULL OR key < ?) ORDER BY key LIMIT ?"},
		{&r.due, "SELECT key, rev, due, data FROM records WHERE due IS NOT NULL AND due <= ? ORDER BY due, key LIMIT ?"},
		// Without an index, which every write would have to keep: nobody needs to ask, see Alone.
		{&r.changes, "SELECT key, rev, due, data FROM records WHERE rev > ? ORDER BY rev, key"},
		{&r.newest, "SELECT COALESCE(MAX(rev), 0) FROM records"},
	} {
		if *s.to, err = r.db.PrepareContext(ctx, s.sql); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (r *reader) close() error { return r.db.Close() }

// Get returns the record under key, or store.ErrNotFound.
func (s *Store) Get(ctx context.Context, key string) (store.Record, error) {
	if err := store.CheckKey(key); err != nil {
		return store.Record{}, err
	}
	list, err := s.query(ctx, s.reader.get, 1, []byte(key))
	if err != nil {
		return store.Record{}, err
	}
	if len(list) == 0 {
		return store.Record{}, store.ErrNotFound
	}
	return list[0], nil
}

// List returns records by key.
func (s *Store) List(ctx context.Context, prefix, after string, limit int) ([]store.Record, error) {
	end := endOf(prefix)
	return s.query(ctx, s.reader.list, limit, []byte(after), []byte(prefix), end, end, limit)
}

// Due returns records by due time.
func (s *Store) Due(ctx context.Context, t time.Time, limit int) ([]store.Record, error) {
	return s.query(ctx, s.reader.due, limit, t.UnixMicro(), limit)
}

// Alone reports true: the file is this process's alone.
func (s *Store) Alone() bool { return true }

// Changes returns what was written after a revision. It reads the whole file; see Alone.
func (s *Store) Changes(ctx context.Context, after int64, limit int, prefixes ...string) (list []store.Record, upTo int64, err error) {
	if err := s.enter(ctx); err != nil {
		return nil, 0, err
	}
	defer s.calls.Done()
	bounded, cancel := context.WithTimeout(ctx, s.lim.timeout)
	defer cancel()
	if after < 0 {
		err = s.reader.newest.QueryRowContext(bounded).Scan(&upTo)
	} else {
		// One writes at a time, so that whatever comes later gets a higher revision.
		err = scan(bounded, s.reader.changes, []any{after}, func(r store.Record) (more bool) {
			if !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(r.Key, p) }) {
				return true
			}
			if n := len(list); n >= max(limit, 1) && list[n-1].Rev < r.Rev {
				return false
			}
			list = append(list, r)
			return true
		})
		if upTo = after; len(list) > 0 {
			upTo = list[len(list)-1].Rev
		}
	}
	if err != nil {
		return nil, 0, s.fail(ctx, err)
	}
	return list, upTo, nil
}

// endOf returns the first key after all that start with prefix; nil if there is none.
func endOf(prefix string) []byte {
	end := []byte(prefix)
	for len(end) > 0 {
		if end[len(end)-1] < 0xff {
			end[len(end)-1]++
			return end
		}
		end = end[:len(end)-1]
	}
	return nil
}

func (s *Store) query(ctx context.Context, stmt *sql.Stmt, limit int, args ...any) ([]store.Record, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.calls.Done()
	if limit <= 0 {
		return nil, nil
	}
	bounded, cancel := context.WithTimeout(ctx, s.lim.timeout)
	defer cancel()
	var list []store.Record
	err := scan(bounded, stmt, args, func(r store.Record) bool {
		list = append(list, r)
		return true
	})
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return list, nil
}

// scan gives take each record that a statement returns, as long as it wants more.
func scan(ctx context.Context, stmt *sql.Stmt, args []any, take func(store.Record) (more bool)) (err error) {
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var r store.Record
		var due sql.NullInt64
		if err := rows.Scan(&r.Key, &r.Rev, &due, &r.Data); err != nil {
			return err
		}
		if due.Valid {
			r.Due = time.UnixMicro(due.Int64).UTC()
		}
		if !take(r) {
			return nil
		}
	}
	return rows.Err()
}
