package usual

import "database/sql"

// schema is the usual one: a column that says who edits, and a table of the users who wait.
//
// Weakness: nothing here says until when. A row that is not cleared stays, whatever became of the
// process, the connection or the person.
const schema = `
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS articles (
	id INTEGER PRIMARY KEY, title TEXT NOT NULL, body TEXT NOT NULL,
	version INTEGER NOT NULL DEFAULT 1, -- counts the saves
	based_on INTEGER NOT NULL DEFAULT 0, -- the version that the author had loaded; noted, never compared
	locked_by TEXT
);
CREATE TABLE IF NOT EXISTS awaiting_users (
	id INTEGER PRIMARY KEY AUTOINCREMENT, article INTEGER NOT NULL, user TEXT NOT NULL,
	UNIQUE (article, user)
);`

// lock makes user the one who edits the article, if nobody does, and else adds them to those who wait.
//
// Weakness: it reads, decides and writes in separate statements, so that two servers can both find the
// column empty and both tell their user yes.
// Weakness: the owner is a user. Any tab of the same user is told yes, and counts as the same holder.
func lock(db *sql.DB, article int64, user string) (bool, error) {
	var by sql.NullString
	if err := db.QueryRow(`SELECT locked_by FROM articles WHERE id = ?`, article).Scan(&by); err != nil {
		return false, err
	}
	if by.String == user {
		return true, nil
	}
	if !by.Valid {
		_, err := db.Exec(`UPDATE articles SET locked_by = ? WHERE id = ?`, user, article)
		return err == nil, err
	}
	_, err := db.Exec(`INSERT OR IGNORE INTO awaiting_users (article, user) VALUES (?, ?)`, article, user)
	return false, err
}

// unlock takes user off the article: out of the queue, or, if they hold it, in favour of the first who waits.
//
// Weakness: it hands the article to a row, not to somebody who is known to be there. A user whose own
// unlock never ran is still in the table, and is made the holder long after they went.
// Weakness: read, decide, write again. Between two servers a hand-over gets lost.
func unlock(db *sql.DB, article int64, user string) error {
	var by sql.NullString
	if err := db.QueryRow(`SELECT locked_by FROM articles WHERE id = ?`, article).Scan(&by); err != nil {
		return err
	}
	if by.String != user {
		_, err := db.Exec(`DELETE FROM awaiting_users WHERE article = ? AND user = ?`, article, user)
		return err
	}
	var next sql.NullString // NULL when nobody waits
	err := db.QueryRow(`SELECT user FROM awaiting_users WHERE article = ? ORDER BY id LIMIT 1`, article).Scan(&next)
	if err != nil && err != sql.ErrNoRows {
		return err
	}
	if _, err := db.Exec(`UPDATE articles SET locked_by = ? WHERE id = ?`, next, article); err != nil {
		return err
	}
	_, err = db.Exec(`DELETE FROM awaiting_users WHERE article = ? AND user = ?`, article, next.String)
	return err
}
