# broken(word file test claim old new): what is changed, and which test fails then. `old` is found
# once in the file; `new` asks BROKEN(word).

# --- pairs between nodes ---

# A hint followed without a higher token.
broken(hint router/link/view.c clauses a_hint_of_before_is_not_followed
  [[hint->token > w->seen_token &&]]
  [[(hint->token > w->seen_token || BROKEN(hint)) &&]])

# The end of a node is not told to the lanes, or to the view.
broken(gone_lanes router/link/view.c succession an_owner_that_slept_writes_no_more
  [[    lanes_node_gone(v->site->lanes, node, o->incarnation);]]
  [[    if (!BROKEN(gone_lanes))
        lanes_node_gone(v->site->lanes, node, o->incarnation);]])
broken(gone_view router/link/view.c succession an_owner_that_slept_writes_no_more
  [[        if (w->where == OWNER_NODE && w->incarnation <= o->incarnation &&]]
  [[        if (!BROKEN(gone_view) && w->where == OWNER_NODE && w->incarnation <= o->incarnation &&]])

# A new incarnation keeps pairs, or what they may be written by.
broken(drop_pairs router/link/members.c succession a_worker_that_hung_writes_nothing_it_had
  [[    owners_drop_all(&m->owners);]]
  [[    if (!BROKEN(drop_pairs))
        owners_drop_all(&m->owners);]])
broken(drop_untils router/link/members.c succession a_worker_that_hung_writes_nothing_it_had
  [[    renew_untils(m);]]
  [[    if (!BROKEN(drop_untils))
        renew_untils(m);]])

# What is held by promises alone outlasts them: in the steward, in the worker.
broken(provisional_kept router/route/owners.c clauses a_provisional_pair_ends_with_its_promises
  [[        OWNERS_LEFT_OUT(noforget))]]
  [[        BROKEN(provisional_kept))]])
broken(provisional_until router/link/members.c clauses a_provisional_pair_ends_with_its_promises
  [[        return;
    end(m->promised);]]
  [[        return;
    if (BROKEN(provisional_until))
        return;
    end(m->promised);]])

# A hand-over: what the giver took stays with it; it does not wait for acknowledgements, or leaves
# what is missing to the kernel.
broken(offer_keeps router/link/pair.c clauses what_the_giver_takes_meanwhile_stays_behind
  [[    outq_give_back(&p->q, NULL);]]
  [[    if (!BROKEN(offer_keeps))
        outq_give_back(&p->q, NULL);]])
broken(offer_at_once router/link/pair.c clauses the_giver_waits_for_acknowledgements
  [[    if (was_open && p->q.unacked_count)
        timer_start(&p->wait, ack_ms);]]
  [[    if (was_open && p->q.unacked_count && !BROKEN(offer_at_once))
        timer_start(&p->wait, ack_ms);]])

# DONE before the acknowledgement.
broken(done_early router/link/pair.c succession what_a_dead_owner_had_is_sent_again
  [[    if (p->q.unflushed)
        outq_flushed(]]
  [[    if (BROKEN(done_early))
        outq_acked(&p->q, mark, pair_now(p));
    if (p->q.unflushed)
        outq_flushed(]])

# The dialler of a link that was given up hands it a stream.
broken(dialler_left router/link/s2s_out.c clauses a_provisional_pair_ends_with_its_promises
  [[    dialer_free(o->dialer); /* else it]]
  [[    if (BROKEN(dialler_left)) {
        loop_post(o->site->loop, &o->done);
        return;
    }
    dialer_free(o->dialer); /* else it]])

# --- what the table shows ---

# A stream that opens, changes or ends is not told of; or is told of when it ends already.
broken(shown_in router/link/s2s_in.c board what_comes_in_is_shown_too
  [[    scribe_note(in->site->scribe, &in->link);
    s2s_in_enter]]
  [[    if (!BROKEN(shown_in))
        scribe_note(in->site->scribe, &in->link);
    s2s_in_enter]])
broken(shown_out router/link/s2s_out_negotiate.c board every_stream_is_shown_and_goes
  [[    scribe_note(o->site->scribe, &o->link);]]
  [[    if (!BROKEN(shown_out))
        scribe_note(o->site->scribe, &o->link);]])
broken(shown_component router/link/component.c board every_stream_is_shown_and_goes
  [[    scribe_note(c->site->scribe, &c->link);]]
  [[    if (!BROKEN(shown_component))
        scribe_note(c->site->scribe, &c->link);]])
broken(shown_ended router/link/scribe.c board every_stream_is_shown_and_goes
  [[    push(&s->struck, l->id);]]
  [[    if (!BROKEN(shown_ended))
        push(&s->struck, l->id);]])
broken(shown_ending router/link/scribe.c scribe what_opens_and_ends_in_between_was_never_there
  [[        if (l->open) /* else]]
  [[        if (l->open || BROKEN(shown_ending)) /* else]])
broken(shown_at_once router/link/scribe.c scribe tells_a_bounded_number_at_a_time
  [[    for (size_t n = 0; n < SCRIBE_ROWS_MAX &&]]
  [[    for (size_t n = 0; (n < SCRIBE_ROWS_MAX || BROKEN(shown_at_once)) &&]])
broken(shown_twice router/link/board.c scribe instances_of_a_domain_are_one_row
  [[    if (row->first && row->component.len)]]
  [[    if ((row->first || (BROKEN(shown_twice) && row->text.len)) && row->component.len)]])
broken(shown_state router/link/members.c board every_stream_is_shown_and_goes
  [[    if (m->board)
        board_state(]]
  [[    if (m->board && !BROKEN(shown_state))
        board_state(]])

# Nobody sweeps: after a burial, behind itself, or again.
broken(sweep_buried router/link/members_table.c board
       what_a_dead_node_showed_is_gone_after_its_burial
  [[    counter_add(loop_counters(m->o.loop), COUNTER_BURIED, 1);
    members_want_sweep(m);]]
  [[    counter_add(loop_counters(m->o.loop), COUNTER_BURIED, 1);
    if (!BROKEN(sweep_buried))
        members_want_sweep(m);]])
broken(sweep_itself router/link/members.c board who_is_back_at_once_sweeps_behind_itself
  [[    members_want_sweep(m);
    m->store]]
  [[    if (!BROKEN(sweep_itself))
        members_want_sweep(m);
    m->store]])
broken(sweep_again router/link/members_table.c board a_sweep_that_is_lost_is_made_again
  [[        m->sweep.wanted = true;
        m->sweep.at_ms = members_now(m) + SWEEP_AGAIN_MS;]]
  [[        m->sweep.wanted = !BROKEN(sweep_again);
        m->sweep.at_ms = members_now(m) + SWEEP_AGAIN_MS;]])

# The store's part: what was lost, refused, of before, too soon, too late.
broken(rows_lost router/session/store_redis.c redisrows what_was_lost_on_the_way_is_written_again
  [[    redisrows_lost(&s->rows);]]
  [[    if (!BROKEN(rows_lost))
        redisrows_lost(&s->rows);]])
broken(rows_middle router/session/redisrows.c redisrows
       another_table_may_be_met_in_the_middle_of_a_flush
  [[    r->refused = false;]]
  [[    if (BROKEN(rows_middle))
        r->pending = 0;
    r->refused = false;]])
broken(rows_refused router/session/redisrows.c redisrows what_was_refused_is_written_again
  [[    if (!r->pending && r->refused)]]
  [[    if (!r->pending && r->refused && !BROKEN(rows_refused))]])
broken(rows_gone router/session/redisrows.c redisrows an_outage_keeps_only_what_is_there_after_it
  [[    if (row->text || row->there)
        mark(r, row);
    else
        forget(r, row);
}

/* The row]]
  [[    if (row->text || row->there || BROKEN(rows_gone))
        mark(r, row);
    else
        forget(r, row);
}

/* The row]])
broken(rows_before router/session/redisrows.c redisrows an_older_table_shows_nothing_old
  [[    if (r->unknown)]]
  [[    if (r->unknown && !BROKEN(rows_before))]])
broken(rows_piled router/session/redisrows.c redisrows a_slow_table_has_one_flush_at_a_time
  [[    if (r->pending)]]
  [[    if (r->pending && !BROKEN(rows_piled))]])
broken(rows_after_bye router/session/store_redis_call.c redisrows nothing_is_written_after_bye
  [[    s->listed = false; /* it takes]]
  [[    s->listed = BROKEN(rows_after_bye); /* it takes]])
broken(rows_late_answer router/session/store_redis_call.c redisrows
       a_renewal_that_is_answered_after_bye_changes_nothing
  [[as.incarnation > s->left;]]
  [[as.incarnation > s->left || BROKEN(rows_late_answer);]])
broken(rows_asleep router/session/store_redis.c redisrows who_has_not_renewed_writes_nothing
  [[loop_boot_ms(s->store.loop) - s->renewed_boot_ms < ROWS_FRESH_MS)]]
  [[(BROKEN(rows_asleep) || loop_boot_ms(s->store.loop) - s->renewed_boot_ms < ROWS_FRESH_MS))]])

# --- the owner's end of a lane ---

broken(in_open_older router/link/lanes_in.c lanes the_owner_hears_nothing_of_an_older_generation
  [[    if (in && in->generation > i->generation)]]
  [[    if (in && in->generation > i->generation && !BROKEN(in_open_older))]])
broken(in_open_newer router/link/lanes_in.c lanes a_newer_generation_begins_anew
  [[    if (in && in->generation < i->generation) {]]
  [[    if (in && in->generation < i->generation && !BROKEN(in_open_newer)) {]])
broken(in_data_generation router/link/lanes_in.c lanes
  the_owner_hears_nothing_of_an_older_generation
  [[    bool fits = in && in->generation == i->generation &&]]
  [[    bool fits = in && (in->generation == i->generation || BROKEN(in_data_generation)) &&]])
broken(in_data_unbound router/link/lanes_in.c lanes
  nothing_is_told_on_a_connection_where_the_lane_is_not_open
  [[ is_bound(in);

    if (fits)]]
  [[ (is_bound(in) || BROKEN(in_data_unbound));

    if (fits)]])
broken(in_data_again router/link/lanes_in.c lanes the_owner_takes_what_comes_next
  [[in->state == IN_OPENED && i->seq == in->expected)]]
  [[in->state == IN_OPENED && (i->seq == in->expected || BROKEN(in_data_again)))]])
broken(in_data_gap router/link/lanes_in.c lanes the_owner_takes_what_comes_next
  [[in->state == IN_OPENED && i->seq > in->expected)]]
  [[in->state == IN_OPENED && i->seq > in->expected && !BROKEN(in_data_gap))]])
broken(in_close_generation router/link/lanes_in.c lanes
  the_owner_hears_nothing_of_an_older_generation
  [[        if (in && in->generation == i->generation)
            leave]]
  [[        if (in && (in->generation == i->generation || BROKEN(in_close_generation)))
            leave]])
broken(in_done_unbound router/link/lanes_in.c lanes
  nothing_is_told_on_a_connection_where_the_lane_is_not_open
  [[    if (!count || !is_bound(in))]]
  [[    if (!count || !(is_bound(in) || (BROKEN(in_done_unbound) && in->far->serial)))]])
broken(in_credit_unbound router/link/lanes_in.c lanes
  nothing_is_told_on_a_connection_where_the_lane_is_not_open
  [[    if (!is_bound(in) || same_credit(]]
  [[    if (!(is_bound(in) || (BROKEN(in_credit_unbound) && in->far->serial)) || same_credit(]])
broken(in_refuse_unbound router/link/lanes_in.c lanes
  nothing_is_told_on_a_connection_where_the_lane_is_not_open
  [[    if (is_bound(in))
        far_add]]
  [[    if (is_bound(in) || (BROKEN(in_refuse_unbound) && in->far->serial))
        far_add]])
broken(in_credit_repeated router/link/lanes_in.c lanes credit_is_told_when_it_changes
  [[    return in->told_credit &&]]
  [[    return !BROKEN(in_credit_repeated) && in->told_credit &&]])
broken(in_credit_once router/link/lanes_in.c lanes a_batch_of_an_older_connection_is_nothing
  [[    in->told_credit = false;]]
  [[    in->told_credit = in->told_credit && BROKEN(in_credit_once);]])
# Fates are not told again.
broken(in_told_once router/link/lanes_in.c lanes
  nothing_is_told_on_a_connection_where_the_lane_is_not_open
  [[    tell_done(in, in->told.runs, in->told.count);]]
  [[    if (!BROKEN(in_told_once))
        tell_done(in, in->told.runs, in->told.count);]])
# What the ingress took back is sent all the same.
broken(in_left_keeps router/link/lanes_in.c lanes a_newer_generation_begins_anew
  [[    if (port)
        outq_give_back]]
  [[    if (port && !BROKEN(in_left_keeps))
        outq_give_back]])
broken(in_process router/link/lanes_out.c lanes another_process_has_lanes_of_its_own
  [[    if (far->process != n->process)]]
  [[    if (far->process != n->process && !BROKEN(in_process))]])
broken(batch_serial router/link/lanes_out.c lanes a_batch_of_an_older_connection_is_nothing
  [[b->next < b->count && far->serial == b->serial;]]
  [[b->next < b->count && (far->serial == b->serial || BROKEN(batch_serial));]])

# --- the ingress's end ---

broken(out_process router/link/lanes_out.c lanes another_process_gets_everything_anew
  [[    each_out(far, renew_if_other, n->process);]]
  [[    if (!BROKEN(out_process))
        each_out(far, renew_if_other, n->process);]])
broken(out_generation router/link/lanes_out.c lanes
  the_ingress_hears_the_lanes_owner_and_generation_only
  [[ || i->generation != out->tx.generation)]]
  [[ || (i->generation != out->tx.generation && !BROKEN(out_generation)))]])
broken(out_owner router/link/lanes_out.c lanes
  the_ingress_hears_the_lanes_owner_and_generation_only
  [[ || out->far != far ||]]
  [[ || (out->far != far && !BROKEN(out_owner)) ||]])
broken(out_unasked router/link/lanes_out.c lanes the_ingress_goes_on_where_the_owner_says
  [[    if (out->tx.next_seq == 1) {]]
  [[    if (out->tx.next_seq == 1 || BROKEN(out_unasked)) {]])
broken(out_lost router/link/lanes_out.c lanes the_ingress_goes_on_where_the_owner_says
  [[    if (far->serial && !same)
        far_lost]]
  [[    if (far->serial && !same && !BROKEN(out_lost))
        far_lost]])
broken(out_gone_goes_on router/link/lanes_out.c lanes a_node_that_goes_on_keeps_what_it_has
  [[    if (!far->serial && far->incarnation <= far->gone)]]
  [[    if (!far->serial && (far->incarnation <= far->gone || (BROKEN(out_gone_goes_on) && far->gone)))]])
broken(out_known_low router/route/lane.c lanes the_ingress_begins_anew_where_they_disagree
  [[    if (expected <= lane_tx_done(tx) || ]]
  [[    if ((expected <= lane_tx_done(tx) && !BROKEN(out_known_low)) || ]])
broken(out_known_high router/route/lane.c lanes the_ingress_begins_anew_where_they_disagree
  [[ || expected > tx->next_seq)]]
  [[ || (expected > tx->next_seq && !BROKEN(out_known_high)))]])

# --- the connection ---

broken(carry_serial router/link/mesh_carry.c mesh
  a_batch_for_a_connection_that_is_gone_goes_nowhere
  [[ || p->serial != b->serial) {]]
  [[ || (p->serial != b->serial && !BROKEN(carry_serial))) {]])
broken(carry_queue router/link/mesh_carry.c mesh what_waited_for_a_connection_ends_with_it
  [[    while ((b = LIST_FIRST(&p->queue, struct far_batch, node)))
        far_batch_free(b);]]
  [[    while (!(BROKEN(carry_queue) && p->wanted) &&
           (b = LIST_FIRST(&p->queue, struct far_batch, node)))
        far_batch_free(b);]])
broken(carry_key router/link/mesh_carry.c mesh a_word_that_makes_no_sense_ends_the_connection
  [[    if (!sound_key(f->key)) {]]
  [[    if (!sound_key(f->key) && !BROKEN(carry_key)) {]])
broken(carry_route router/link/mesh_carry.c mesh a_word_that_makes_no_sense_ends_the_connection
  [[        mesh_fault(p, "a stanza of a lane that was not opened");]]
  [[        if (!BROKEN(carry_route))
            mesh_fault(p, "a stanza of a lane that was not opened");]])
broken(carry_worker router/link/mesh_carry.c mesh a_word_that_makes_no_sense_ends_the_connection
  [[    if (worker < p->mesh->o.lanes->count)]]
  [[    if (worker < p->mesh->o.lanes->count || BROKEN(carry_worker))]])
broken(mesh_last_words router/link/mesh.c mesh the_last_words_of_a_connection_are_heard
  [[    mesh_flush_peer(p);
    for (unsigned w]]
  [[    if (!BROKEN(mesh_last_words))
        mesh_flush_peer(p);
    for (unsigned w]])
broken(mesh_process router/link/mesh.c mesh a_word_that_makes_no_sense_ends_the_connection
  [[    if (h->process != p->process) {]]
  [[    if (h->process != p->process && !BROKEN(mesh_process)) {]])
broken(mesh_earlier router/link/mesh.c mesh an_earlier_incarnation_is_not_let_in_again
  [[        return h->incarnation < p->incarnation ?]]
  [[        return h->incarnation < p->incarnation && !BROKEN(mesh_earlier) ?]])
broken(mesh_crossing router/link/mesh.c mesh of_two_that_cross_one_stays
  [[    return trunk_dialled(c->trunk) == ours_smaller ?]]
  [[    return trunk_dialled(c->trunk) == ours_smaller || BROKEN(mesh_crossing) ?]])
broken(mesh_same_dialler router/link/mesh.c mesh
  a_newer_connection_of_the_same_dialler_takes_the_place
  [[    if (trunk_dialled(p->up->trunk) == trunk_dialled(c->trunk))]]
  [[    if (trunk_dialled(p->up->trunk) == trunk_dialled(c->trunk) && !BROKEN(mesh_same_dialler))]])
broken(trunk_renamed router/session/trunk.c trunk says_hello_again_under_its_own_name_only
  [[    else if (f->type == FRAME_HELLO && !slice_is(]]
  [[    else if (!BROKEN(trunk_renamed) && f->type == FRAME_HELLO && !slice_is(]])
broken(trunk_closed_inside router/session/trunk.c trunk
  reads_no_frame_behind_the_one_it_was_closed_at
  [[    while (t->state == TRUNK_GREETING || t->state == TRUNK_OPEN) {]]
  [[    while (t->state == TRUNK_GREETING || t->state == TRUNK_OPEN || BROKEN(trunk_closed_inside)) {]])
broken(trunk_unopened router/session/trunk.c trunk sends_only_while_it_is_open
  [[    if (t->state != TRUNK_OPEN)
        return;
    frame_write]]
  [[    if (t->state != TRUNK_OPEN && !BROKEN(trunk_unopened))
        return;
    frame_write]])
broken(trunk_no_hello router/session/trunk.c trunk hears_nothing_before_hello
  [[    if (f->type != FRAME_HELLO)
        return "it]]
  [[    if (f->type != FRAME_HELLO && !BROKEN(trunk_no_hello))
        return "it]])

# --- back-offs between nodes ---

# Another node's failure is not heeded, or not told; or it is heeded where the domain is seen to
# live.
broken(heard_domain router/link/pair.c backoffs another_node_does_not_dial_what_one_could_not
  [[    if (!outages_any(&p->site->heard, p->remote) || is_open_there(p->at))]]
  [[    if (!outages_any(&p->site->heard, p->remote) || is_open_there(p->at) ||
        BROKEN(heard_domain))]])
broken(told_failure router/link/pair.c backoffs another_node_does_not_dial_what_one_could_not
  [[    tell_failure(p, of_domain, own);]]
  [[    if (!BROKEN(told_failure))
        tell_failure(p, of_domain, own);]])
broken(heard_pair router/link/pair.c backoffs a_pair_that_changes_its_node_still_waits
  [[    else if (hearsay_find(p->site, p->local, p->remote, false,]]
  [[    else if (!BROKEN(heard_pair) && hearsay_find(p->site, p->local, p->remote, false,]])
broken(heard_though_open router/link/pair.c backoffs an_open_link_is_left_alone
  [[->state == PAIR_OPEN)
        return true;]]
  [[->state == PAIR_OPEN && !BROKEN(heard_though_open))
        return true;]])
broken(held_unclaimed router/link/pair.c backoffs what_another_node_has_open_is_not_held_back
  [[    else if (!pair_is_granted(p))
        claim(p);]]
  [[    else if (!pair_is_granted(p) && !(BROKEN(held_unclaimed) && is_held_back(p)))
        claim(p);]])
broken(heard_failures router/link/remote.c backoffs another_node_does_not_dial_what_one_could_not
  [[        r->backoff.failures_count = w->failures_count;]]
  [[        r->backoff.failures_count = BROKEN(heard_failures) ? 0 : w->failures_count;]])

# A success is not told: inbound, outbound.
broken(told_in router/link/s2s_in.c backoffs a_server_that_comes_in_is_dialled_by_all
  [[    seat_peer_alive(in->site->seat, p->from);]]
  [[    if (!BROKEN(told_in))
        seat_peer_alive(in->site->seat, p->from);]])
broken(told_out router/link/pair.c backoffs a_server_that_lets_one_in_is_dialled_by_all
  [[    seat_peer_alive(p->site->seat, p->remote);]]
  [[    if (!BROKEN(told_out))
        seat_peer_alive(p->site->seat, p->remote);]])
broken(told_newcomer router/link/tell.c backoffs a_node_that_joins_is_told
  [[    n->told = 0;]]
  [[    n->told = BROKEN(told_newcomer) ? UINT64_MAX : 0;]])
broken(told_crossing router/link/tell.c backoffs a_failure_that_is_heard_after_the_success
  [[        if (!told->rows[i].left_ms && outages_any]]
  [[        if (!BROKEN(told_crossing) && !told->rows[i].left_ms && outages_any]])
broken(told_by_dead router/link/tell.c backoffs a_node_that_is_gone_says_nothing
  [[    t->events->heard_backoffs(t->arg, name_of(n), NULL);]]
  [[    if (!BROKEN(told_by_dead))
        t->events->heard_backoffs(t->arg, name_of(n), NULL);]])
broken(heeded_forever router/link/hearsay.c backoffs
  one_broken_node_does_not_silence_the_others
  [[    if (!*since_ms)]]
  [[    if (!*since_ms || BROKEN(heeded_forever))]])

# What is told: to whom, how often, how much.
broken(told_version router/link/tell.c tell who_speaks_an_earlier_version_is_not_told
  [[version >= FRAME_VERSION_BACKOFFS;]]
  [[version >= FRAME_VERSION_BACKOFFS || BROKEN(told_version);]])
broken(told_often router/link/tell.c tell the_next_waits_for_its_second
  [[rested ? 0]]
  [[rested || BROKEN(told_often) ? 0]])
broken(told_half router/link/tell.c tell many_are_told_in_parts
  [[    if (behind)]]
  [[    if (behind && !BROKEN(told_half))]])
broken(told_big router/link/tell.c tell many_are_told_in_parts
  [[TELL_BACKOFFS_MAX, TELL_BACKOFFS_BYTES);]]
  [[TELL_BACKOFFS_MAX, BROKEN(told_big) ? SIZE_MAX : TELL_BACKOFFS_BYTES);]])

# What is heard has no bounds.
broken(heard_long router/link/hearsay.c hearsay is_bounded_whatever_a_node_says
  [[    return ms < PAIR_BACKOFF_MOST_MS ?]]
  [[    return ms < PAIR_BACKOFF_MOST_MS || BROKEN(heard_long) ?]])
broken(heard_text router/link/hearsay.c hearsay is_bounded_whatever_a_node_says
  [[        .detail = is_text(row->detail) ?]]
  [[        .detail = is_text(row->detail) || BROKEN(heard_text) ?]])
broken(heard_everywhere router/link/hearsay.c hearsay of_a_pair_is_for_its_worker
  [[    return row->of_domain ||]]
  [[    return BROKEN(heard_everywhere) || row->of_domain ||]])
broken(heard_turn router/link/hearsay.c hearsay is_taken_as_it_was_said
  [[    return HEARSAY_LATER_MS +]]
  [[    return BROKEN(heard_turn) ? 0 : HEARSAY_LATER_MS +]])
