"""Support tickets of four teams: a generated stand-in for a user's own small file.

A ticket is a problem of one team in one of many phrasings, among greetings, urgency and mentions
that any team's ticket may have. Some things belong to two teams, some troubles to all, and many a
ticket mentions a thing of another team that works. Logistic regression over TF-IDF weights of 600
such tickets is right in about 96 of 100 others.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from afa_ray.data.texts import Texts

TEAMS = ("accounts", "billing", "hardware", "network")
# Each team's things, troubles with them, and requests; and the troubles of all.
THINGS: dict[str, str] = {
    "accounts": "password|login|user name|profile|two-factor code|access card|mailbox|permission|"
    "shared folder|account|single sign-on|group membership|certificate|recovery email|signature",
    "billing": "invoice|payment|refund|credit card|subscription|receipt|purchase order|discount|"
    "account|monthly charge|tax number|quote|direct debit|licence fee|delivery note",
    "hardware": "printer|laptop|monitor|keyboard|docking station|battery|charger|projector|headset|"
    "mouse|webcam|scanner|power supply|hard disk|touchpad",
    "network": "wifi|vpn|router|connection|internet|ethernet port|proxy|firewall|remote desktop|"
    "dns server|access point|video call|download|certificate|shared folder",
}
TROUBLES: dict[str, str] = {
    "accounts": "was locked after three attempts|expired over the weekend|is not accepted any more|"
    "belongs to a colleague who left|shows the wrong name|has to be reset|was never created|"
    "asks for approval again|cannot be changed|is missing from the directory",
    "billing": "was sent twice|does not match the contract|is still open|shows the wrong amount|"
    "went to the old address|was declined by the bank|has to be cancelled|is missing a line|"
    "was booked to another cost centre|cannot be paid abroad",
    "hardware": "makes a grinding noise|does not switch on|is broken since it fell|gets very hot|"
    "shows stripes|has a loose cable|needs a spare part|blinks red|smells burnt|is missing a key",
    "network": "is very slow today|drops every ten minutes|times out|cannot be reached from home|"
    "blocks a site we need|has no signal upstairs|fails after the update|loses packets|"
    "does not resolve the address|is down on the third floor",
}
REQUESTS: dict[str, str] = {
    "accounts": "please reset the {}|could i have rights for the {}|i need a new {} for a trainee",
    "billing": "please correct the {}|could you send the {} again|i have a question about the {}",
    "hardware": "please replace the {}|could somebody repair the {}|i would like to order a {}",
    "network": "please check the {}|could you open the {} for our office|nobody has a working {}",
}
ANY_TROUBLE = "does not work|is a problem again|is gone|has to be changed|is not what i ordered"
OPENINGS = (
    "hello|hi team|good morning|dear support|hi|hello everybody|to whom it may concern|"
    "sorry to bother you|second message|as discussed on the phone"
)
FILLERS = (
    "this is urgent|it started on monday|i am in the office until four|my manager told me to write|"
    "a customer is waiting|the same happened last month|we have a meeting in room 12|"
    "i have tried it twice|no hurry|it worked yesterday|thank you for your help|"
    "please call me back|the whole department is affected|i work from home this week|"
    "kind regards|thanks in advance|see the attached picture|ticket number follows"
)
ASIDES = (
    "the {} is fine by the way|your colleague has already looked at the {}|it is not about the {}|"
    "last week it was the {}"
)
# Shares of tickets: with a request in place of a trouble, with a trouble that any team has, and
# with a word about another thing.
REQUESTED, ANY, ASIDE = 0.3, 0.2, 0.25


def generate_tickets(rows: int, seed: int) -> Texts:
    """Tickets in random order, with as many of each team as of any other, to within one.

    Labels are numbers in `TEAMS`.
    """
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(rows) % len(TEAMS))
    return Texts([_ticket(random, TEAMS[label]) for label in labels], labels.astype(np.int64))


def write_tickets(path: str | Path, rows: int, seed: int) -> None:
    """The same as a CSV file with the columns message and team."""
    tickets = generate_tickets(rows, seed)
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("message", "team"))
        table.writerows(zip(tickets.texts, (TEAMS[i] for i in tickets.labels), strict=True))


def _ticket(random: np.random.Generator, team: str) -> str:
    parts = [_problem(random, team)]
    parts += [_one_of(random, FILLERS) for _ in range(int(random.integers(1, 4)))]
    if random.random() < ASIDE:
        other = TEAMS[int(random.integers(len(TEAMS)))]
        parts.append(_one_of(random, ASIDES).format(_one_of(random, THINGS[other])))
    order = random.permutation(len(parts))
    return ", ".join([_one_of(random, OPENINGS), *(parts[i] for i in order)])


def _problem(random: np.random.Generator, team: str) -> str:
    thing, draw = _one_of(random, THINGS[team]), random.random()
    if draw < REQUESTED:
        return _one_of(random, REQUESTS[team]).format(thing)
    troubles = ANY_TROUBLE if draw < REQUESTED + ANY else TROUBLES[team]
    return f"the {thing} {_one_of(random, troubles)}"


def _one_of(random: np.random.Generator, options: str) -> str:
    """One of the options that | separates."""
    listed = options.split("|")
    return listed[int(random.integers(len(listed)))]
