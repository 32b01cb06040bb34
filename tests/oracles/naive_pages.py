"""Serving with a paged KV memory, token by token: the block rules that vLLM publishes, over lists of pages.

Each iteration: the sequences that decode get a page for their next token where they need one, in the order of
admission, and while none is free the least urgent sequence loses its pages. Nobody is admitted in that case. Else
requests are admitted while there are pages for all of their tokens and a watermark. A page without users keeps its
content until it is taken; the one that was given back first is taken first. Nothing here is taken from `pimsim` but the
order of the policies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

Groups = tuple[tuple[int, int, int], ...]


@dataclass(eq=False)
class Page:
    """A page: the prompt up to its last token, as a list of words, if it is known; and how many sequences use it."""

    content: tuple[int, ...] | None = None
    users: int = 0


@dataclass(eq=False)
class Job:
    """A request: its prompt as words, whose equality means equal tokens; -1 is a token that nobody knows."""

    number: int
    arrival: int
    prompt: tuple[int, ...]
    output: int
    pages: list[Page] = field(default_factory=list)
    stored: int = 0
    fill: int = 0
    produced: int = 0
    swapped: bool = False


@dataclass
class Rules:
    """Limits: see `pimsim.studies.serving.policies.Limits` and the config section `serving`."""

    pages: int
    page_tokens: int
    watermark: int
    max_batch: int
    policy: str
    budget: int | None
    shares: bool = False
    swap: Callable[[int, bool], int] | None = None
    """Time of moving a number of pages, out or back; None means that preempted requests are computed again."""


class PagedServer:
    """A server; `steps` are its iterations, `finished` the end of each request.

    Args:
        jobs: Requests in the order of arrival.
        rules: Limits.
        cost: Function that returns the time of an iteration of groups and outputs.
    """

    def __init__(self, jobs: list[Job], rules: Rules, cost: Callable[[Groups, int], int]) -> None:
        self.rules, self.cost = rules, cost
        self.all = [Page() for _ in range(rules.pages)]
        self.free = list(self.all)
        self.known: list[Page] = []
        self.coming, self.waiting, self.running = list(jobs), list[Job](), list[Job]()
        self.now = self.moved = 0
        self.steps: list[tuple[Groups, int]] = []
        self.finished: dict[int, int] = {}
        self.preempted = self.saved = 0
        self.arrive()
        while self.coming or self.waiting or self.running:
            if not self.waiting and not self.running:
                self.now = max(self.now, self.coming[0].arrival)
                self.arrive()
            self.step()
            assert sum(page.users for page in self.all) == sum(len(job.pages) for job in self.running)
            assert len(self.free) == sum(page.users == 0 for page in self.all)

    def arrive(self) -> None:
        while self.coming and self.coming[0].arrival <= self.now:
            job = self.coming.pop(0)
            job.fill = len(job.prompt)
            self.waiting.append(job)

    def take(self, job: Job) -> None:
        page = self.free.pop(0)
        if page in self.known:
            self.known.remove(page)
        page.content, page.users = None, 1
        job.pages.append(page)

    def give_back(self, job: Job) -> None:
        while job.pages:
            page = job.pages.pop()
            page.users -= 1
            if not page.users:
                self.free.append(page)

    def needs(self, job: Job) -> int:
        """Pages of a request when it is admitted: for all tokens to process, at least one more than are stored."""
        pages = 0
        for token in range(max(job.fill, job.stored + 1)):
            pages += token % self.rules.page_tokens == 0
        return pages

    def kept(self, job: Job) -> list[Page]:
        """Pages with the beginning of the prompt that somebody computed; one token is left to compute."""
        found: list[Page] = []
        if not self.rules.shares or job.stored:
            return found
        while (len(found) + 1) * self.rules.page_tokens < job.fill:
            wanted = job.prompt[: (len(found) + 1) * self.rules.page_tokens]
            if len(wanted) < (len(found) + 1) * self.rules.page_tokens or -1 in wanted:
                break
            page = next((page for page in self.known if page.content == wanted), None)
            if page is None:
                break
            found.append(page)
        return found

    def step(self) -> None:
        self.admit()
        chosen = self.grown(self.select())
        if not chosen:
            return
        shapes = sorted((tokens, job.stored + tokens) for job, tokens in chosen)
        groups = tuple((*shape, shapes.count(shape)) for shape in sorted(set(shapes)))
        outputs = sum(job.stored + tokens >= job.fill for job, tokens in chosen)
        self.steps.append((groups, outputs))
        self.now += self.moved + self.cost(groups, outputs)
        self.moved = 0
        for job, tokens in chosen:
            for _ in range(tokens):
                job.stored += 1
            job.produced += job.stored >= job.fill
        for job in list(self.running):
            self.publish(job)
        for job, _ in chosen:
            if job.produced == job.output:
                self.finished[job.number] = self.now
                self.running.remove(job)
                self.give_back(job)
        self.arrive()

    def publish(self, job: Job) -> None:
        """Let others find the full pages of a prompt."""
        size = self.rules.page_tokens
        for number, page in enumerate(job.pages):
            words = job.prompt[: (number + 1) * size]
            full = len(words) == (number + 1) * size <= job.stored and -1 not in words
            if full and page.content is None:
                page.content = words
                self.known.append(page)

    def admit(self) -> None:
        if self.rules.policy == "decode_first" and self.running:
            return
        while self.waiting and len(self.running) < self.rules.max_batch:
            job = self.waiting[0]
            kept = self.kept(job)
            spare = len(self.free) - sum(page in self.free for page in kept) - (self.needs(job) - len(kept))
            for other in self.running:
                spare -= other.stored >= other.fill and other.stored == len(other.pages) * self.rules.page_tokens
            if spare < (self.rules.watermark if self.running else 0):
                return
            self.waiting.pop(0)
            self.running.append(job)
            for page in kept:
                if page in self.free:
                    self.free.remove(page)
                page.users += 1
                job.pages.append(page)
            while len(job.pages) < self.needs(job):
                self.take(job)
            job.stored += len(kept) * self.rules.page_tokens
            self.saved += len(kept) * self.rules.page_tokens
            if job.swapped and self.rules.swap is not None:
                self.moved += self.rules.swap(self.pages_of(job.stored), False)
                job.swapped = False

    def pages_of(self, tokens: int) -> int:
        return len({token // self.rules.page_tokens for token in range(tokens)})

    def select(self) -> list[tuple[Job, int]]:
        prompts = [job for job in self.running if job.stored < job.fill]
        decodes = [(job, 1) for job in self.running if job.stored >= job.fill]
        if not prompts:
            return decodes
        mixed = self.rules.policy == "mixed"
        chosen = decodes if mixed else []
        left = self.rules.budget
        for job in prompts:
            tokens = job.fill - job.stored
            if left is not None and tokens > left:
                if mixed:
                    tokens = left
                elif job is not prompts[0]:
                    break
            if not tokens:
                break
            chosen.append((job, tokens))
            if left is not None:
                left = max(0, left - tokens)
        return chosen

    def grown(self, chosen: list[tuple[Job, int]]) -> list[tuple[Job, int]]:
        for job, tokens in chosen:
            for token in range(job.stored, job.stored + tokens):
                while job in self.running and token == len(job.pages) * self.rules.page_tokens and not self.free:
                    self.preempt(self.running[-1])
                if job in self.running and token == len(job.pages) * self.rules.page_tokens:
                    self.take(job)
        return [(job, tokens) for job, tokens in chosen if job in self.running]

    def preempt(self, job: Job) -> None:
        self.running.remove(job)
        self.give_back(job)
        self.preempted += 1
        if self.rules.swap is not None and job.stored:
            self.moved += self.rules.swap(self.pages_of(job.stored), True)
            job.swapped = True
        else:
            job.stored, job.fill = 0, len(job.prompt) + job.produced
        at = sum(other.number < job.number for other in self.waiting)
        self.waiting.insert(at, job)
