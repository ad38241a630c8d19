package server

import "github.com/editlock/editlock"

// enter gives the connection a place among those of its user, once, if there is one.
func (c *conn) enter(user string) bool {
	c.mu.Lock()
	has := c.counted && c.user == user
	c.mu.Unlock()
	return has || c.srv.admission.enterUser(user) && c.take(user)
}

// take notes a place that was found, in exchange for any before it; it is given back if the connection has ended.
func (c *conn) take(user string) bool {
	c.mu.Lock()
	gone, counted, before := c.closing, c.counted, c.user
	if !gone {
		c.user, c.counted = user, true
	}
	c.mu.Unlock()
	switch {
	case gone:
		c.srv.admission.leaveUser(user)
	case counted:
		c.srv.admission.leaveUser(before)
	}
	return !gone
}

// predecessor finds the connection that a resume is going to replace, and claims its place. So whoever has as many
// connections as there may be can come back before the server notices that one of them is dead.
func (c *conn) predecessor(user string, resume *editlock.Resume) *conn {
	if resume == nil {
		return nil
	}
	old := c.srv.attached(resume.Session)
	if old == nil {
		return nil
	}
	old.mu.Lock()
	defer old.mu.Unlock()
	if old.user != user || !old.counted || old.claimed {
		return nil // one at a time, or connections without a place could pile up
	}
	old.claimed = true
	return old
}

// inherit ends the claim, and takes the place if the old connection was replaced and still had it.
func (c *conn) inherit(old *conn, replaced bool) bool {
	old.mu.Lock()
	old.claimed = false
	has := replaced && old.counted
	if has {
		old.counted = false
	}
	user := old.user
	old.mu.Unlock()
	return has && c.take(user)
}
