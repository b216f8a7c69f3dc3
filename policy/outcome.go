package policy

import (
	"slices"

	"rcptgate/verify/verdict"
)

// outcome is a rule's table: what becomes of each reason and each tag. What does
// not stand in it is accepted.
type outcome struct {
	reasons map[verdict.Reason]Action
	tags    map[verdict.Tag]Action
}

// of returns the action for a verdict, and the tag where a tag decided. The
// stronger action wins, the reason before the tag.
func (o *outcome) of(reason verdict.Reason, tags []verdict.Tag) (Action, verdict.Tag) {
	if reason == verdict.InternalError {
		return Accept, "" // our own trouble is never a refusal
	}
	action, by := Accept, verdict.Tag("")
	if a, ok := o.reasons[reason]; ok && !isSuspect(reason, tags) {
		action = a
	}
	if len(o.tags) == 0 {
		return action, by
	}
	for _, t := range tags {
		if a := o.tags[t]; a == Reject && action != Reject || a == Defer && action == Accept {
			action, by = a, t
		}
	}
	return action, by
}

// isSuspect reports a negative that was seen while its site refused blindly.
func isSuspect(reason verdict.Reason, tags []verdict.Tag) bool {
	return reason.Status() == verdict.Undeliverable && slices.Contains(tags, verdict.Suspect)
}

// settled reports whether an asker can be answered before the verdict is final:
// only when all that is possible is accepted, because the text of a refusal names
// its reason. It is a pure function.
func (o *outcome) settled(possible []verdict.Reason, tags []verdict.Tag) bool {
	for _, r := range possible {
		if a, _ := o.of(r, tags); a != Accept {
			return false
		}
	}
	return len(possible) > 0
}
