"""What the writers of the training messages ask for, in many words, behind any situation."""

from __future__ import annotations

_SITUATIONS = (
    "I [ordered|bought] {a} {when}.",
    "[It's about|This concerns|My message is about] {the}.",
    "I'm writing about {order}.",
    "I have a [problem|question|concern] regarding {the}.",
    "{The} was [a present for|ordered by] my [father|wife|boss|assistant].",
)
"""What says nothing about the request behind it."""

_MISLEADING = {
    "refund": ("{The} [does not work|came far too late|was billed {when}].",),
    "cancel": ("{The} [is late|costs {amount}|won't work with my phone, I read].",),
    "billing": ("{The} [works fine|was delivered {when}|went back to you {when}].",),
    "tech_support": ("{The} [was delivered {when}|cost me {amount}|replaced my old one].",),
    "shipping": ("I paid {amount} for {the} {when}.",),
}
"""What sounds like another request than the one behind it; the request decides."""

_REQUESTS = {
    "refund": (
        "Please pay me back.",
        "I'd like to be reimbursed.",
        "Could you reimburse me?",
        "Please return the money.",
        "I want the purchase price back.",
        "When will the refund be credited?",
        "Please credit the {amount} to my account.",
        "My refund hasn't been transferred yet.",
        "I expect full reimbursement.",
        "Please transfer {amount} back to my bank account.",
        "I'd prefer a refund over an exchange.",
        "Where's my reimbursement?",
        "I'd rather have my {amount} than a new one.",
        "I'm waiting for the money to be returned.",
        "Is it possible to get refunded?",
        "Give me my money back.",
    ),
    "cancel": (
        "Please withdraw my order.",
        "I'd like to call it off.",
        "Please revoke the order.",
        "I'm backing out of the purchase.",
        "Scrap the order, please.",
        "Could you stop the order?",
        "No need to ship it any more, cancel it.",
        "I don't want it delivered, cancel it.",
        "I wish to cancel.",
        "Take the order out of your system, please.",
        "Can the order be cancelled?",
        "I hereby withdraw from the purchase.",
        "Please don't dispatch it, I've changed my mind.",
        "I want out of this order.",
    ),
    "billing": (
        "Why was {amount} debited?",
        "The invoice is wrong, please correct it.",
        "Please send me the bill.",
        "There's a surcharge that I don't understand.",
        "My voucher wasn't deducted.",
        "The tax on the invoice looks odd.",
        "Has my payment arrived?",
        "I was sent a dunning letter although I've paid.",
        "Can I pay in instalments?",
        "My bank transfer isn't booked, please check.",
        "The total doesn't match the price shown.",
        "I need an itemised receipt for our bookkeeping.",
        "Please put our company name on the invoice.",
        "PayPal charged me more than agreed.",
        "Please recalculate the bill.",
        "The debit is higher than the order total.",
    ),
    "tech_support": (
        "It doesn't work, what should I try?",
        "Please advise how to repair it.",
        "It only flashes and beeps, any advice?",
        "It hangs all the time, what can I do?",
        "A factory reset didn't help, what now?",
        "Which settings should I change so that it works?",
        "It keeps going offline, how do I reconnect it?",
        "Please walk me through the setup.",
        "The screen stays blank, please help.",
        "It says 'unknown error', what does that mean?",
        "I can't log in, how do I reset the PIN?",
        "Can I clean or repair the part myself?",
        "It switches off on its own, how do I stop that?",
        "How do I install the software?",
        "I only want it to work, can you help?",
    ),
    "shipping": (
        "Where is the parcel?",
        "Has the package been lost?",
        "When will it be delivered?",
        "Please trace the parcel.",
        "What's the delivery status?",
        "Can it be rerouted to {city}?",
        "Please forward it to my new address.",
        "The courier says that he delivered it, but I have nothing.",
        "Nobody signed for it, where did it go?",
        "Is it still in transit?",
        "Please hold the delivery until I'm back.",
        "When will you dispatch it?",
        "It seems to be stuck in the depot.",
        "Any news about the shipment?",
        "It was returned to sender, please send it again.",
        "The second box is missing.",
    ),
}


def request_bodies() -> dict[str, tuple[str, ...]]:
    """Give body templates: situations, each with any of an intent's requests."""
    bodies: dict[str, tuple[str, ...]] = {}
    for intent, requests in _REQUESTS.items():
        any_request = f"[{'|'.join(requests)}]"
        situations = (*_SITUATIONS, *_MISLEADING[intent])
        bodies[intent] = tuple(f"{situation} {any_request}" for situation in situations)
        bodies[intent] += (f"{any_request} I mean {{the}}.",)
    return bodies
