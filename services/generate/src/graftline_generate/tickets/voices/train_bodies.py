"""What the writers of the training messages tell and ask, by intent."""

from __future__ import annotations

from graftline_generate.tickets.voices.train_requests import request_bodies

_BODIES = {
    "refund": (
        "I [bought|ordered|purchased] {a} {when} and it [arrived with a crack down the side|"
        "stopped working after two days|is nothing like the photos]. "
        "[I'd like a refund.|Please refund me.|I want my money back.]",
        "[Please refund {the}.|I'd like a refund for {the}.|Can I get a refund for {the}?] It "
        "[broke the first time I used it|smells of burning|is the wrong size for us].",
        "{The} [never worked properly|was faulty out of the box|came scratched all over], so I'm "
        "[sending it back|returning it] and [expect|would like] a full refund.",
        "I returned {the} {when} but [the money hasn't come back|I still haven't got my money "
        "back|no refund has reached me]. [Can you process the refund?|Please issue the refund.]",
        "How do I [get my money back|request a refund] for {the}? [It doesn't fit our kitchen.|"
        "My wife already has one.|We don't use it at all.]",
        "I'm [not happy|disappointed|really unhappy] with {the}. [The quality is poor|It feels "
        "cheap|It's far too loud] and I [want to return it for a refund|would like the {amount} "
        "back].",
        "Your page promises [30-day returns|a money-back guarantee]. I'd like to use that for "
        "{the}, [please refund the {amount}|refund to the same card please].",
        "[I need to return something:|Return request:] {the}, [unopened|still in the box|used "
        "once]. [When will I get my money back?|Refund to my card, please.]",
        "{Order} [came incomplete|was not what I asked for|came in the wrong colour]. [I don't "
        "want a replacement, just a refund.|A refund is all I want.|I'd rather have the money "
        "back than a replacement.]",
        "I gave {a} to my [son|daughter|mother|colleague] and [it doesn't suit them|they have "
        "one already]. [Is a refund possible?|Could you refund the {amount} I paid?]",
        "We [tried {the} for a week|tested {the} for a few days] and [it keeps failing|it just "
        "isn't good enough]. [Money back, please.|Kindly refund us.]",
        "[I'm requesting|I am writing to request] a refund of {amount} for {the}, [which was "
        "defective|which I sent back {when}].",
        "The {amount} for {the} [should be returned to me|must go back on my card], [I sent it in "
        "{when}|your colleague promised it {when}]. [When does that happen?|Please arrange it.]",
        "{The} [isn't as described|is missing half its parts|leaks]. [I don't want a repair, I "
        "want my money back.|Can I send it in and get a refund?]",
        "[Return for a refund, please|I'd like to return this and be refunded]: {a}, [never used|"
        "bought {when}], [it's simply not for me|too big for my flat].",
        "I cancelled {when} and sent {the} back, [where is my refund?|but the {amount} were never "
        "paid back.]",
    ),
    "cancel": (
        "[Please cancel|I need to cancel|I'd like to cancel] {order}, [I ordered by mistake|I "
        "found it cheaper elsewhere|we no longer need it].",
        "I [ordered|placed an order for] {a} {when} but [I changed my mind|it's the wrong model|"
        "my plans changed]. [Please cancel it before it ships.|Can it still be cancelled?]",
        "[I want to stop|Please stop] {order} [before it goes out|while it's still processing]. "
        "[I picked the wrong colour.|I don't need it anymore.]",
        "{The} [still says processing|hasn't left your warehouse], so [please cancel|I'd like to "
        "cancel] the order.",
        "I accidentally ordered {the} twice. [Cancel one of them, please.|Please cancel the "
        "second order.]",
        "Is it [too late|still possible] to cancel? I [bought|ordered] {a} {when} and [don't need "
        "it after all|my boss said no].",
        "Kindly cancel the purchase of {the}. [Our budget was cut.|We decided on another brand.|"
        "The project was called off.]",
        "The delivery date of {the} [moved again|slipped to next month]. [Cancel it, please.|I "
        "don't want to wait any longer, cancel the order.]",
        "I'd like {order} cancelled. [No complaint, I just don't need it.|I chose the wrong "
        "size.|We already got one from a friend.]",
        "My [kid|nephew|roommate] ordered {a} from my [tablet|account] without asking. [Please "
        "cancel that order.|Can you cancel it?]",
        "[Don't send {the} after all.|Please do not ship {the}.] I [want|would like] to cancel.",
        "Cancellation request for {the}. Reason: [duplicate order|ordered the wrong version|no "
        "longer needed].",
        "[Can you take {the} out of my order|Could you remove {the} from the order] and cancel it? "
        "[I won't be needing it.|I got one as a present.]",
        "I [no longer want|don't want] {the}, [please cancel|cancel it please]. It [has not been "
        "sent|was ordered {when}], so that should be [possible|easy].",
        "Please [annul|void|cancel] {order} from {when}. [I used the wrong address.|I paid with "
        "the wrong account.|The colour is wrong.]",
        "As {the} [can't be delivered|is on back order], [I'd like to cancel the order|cancel my "
        "order, please].",
    ),
    "billing": (
        "I was charged [twice|two times] for {the}. [Can you check?|Please look into the second "
        "charge.]",
        "My [card|bank] statement shows {amount} but the price of {the} was [lower|different]. "
        "[Please explain the charge.|Why is that?]",
        "[Could you send me|I need] [an invoice|a VAT receipt|a corrected invoice] for {the}[, my "
        "accountant is asking for it|, I only got a delivery note]. [Thanks in advance.|]",
        "The invoice for {the} has [the wrong company name|an old address|no VAT number]. [Please "
        "correct it.|Can you issue a new one?]",
        "I used a discount code on {the} but [was charged full price|the discount is not on the "
        "bill]. [Please fix the amount.|Can you adjust the invoice?]",
        "There's [a charge of {amount} I don't recognise|an extra {amount}] on the bill for {the}. "
        "What is it for?",
        "My payment for {the} [was declined but the money left my account|has been pending since "
        "{when}]. [Did you receive it?|Is it paid or not?]",
        "The [receipt|bill] I got for {order} [doesn't add up|has the wrong total]. [Please "
        "review it.|Can somebody check the amounts?]",
        "Why does the bill for {order} show [sales tax twice|a service fee|a currency fee]? [That "
        "was not in the checkout total.|I don't understand the {amount}.]",
        "I was quoted {amount} for {the} but billed more. [Please correct the bill.|Can someone "
        "check the invoice?]",
        "Can I change the [payment method|credit card] for {order}? [My card expired.|I'd rather "
        "pay by bank transfer.]",
        "We paid for {the} {when} and got a payment reminder anyway. [Please check our payment.|"
        "Can you confirm that it is paid?]",
        "[Where can I download|How do I get] the [invoice|receipt] for {the}? [It wasn't in the "
        "box.|I need it for my taxes.]",
        "[Two payments|Two debits] of {amount} show up for {the}. [I only bought one.|Only one of "
        "them is right.]",
        "The [amount|total] on my [credit card bill|invoice] for {the} is [{amount} too "
        "high|wrong]. [Please check.|How does that come about?]",
        "You billed {the} to my [old|private] card. [Please move the charge to the new one.|It "
        "should be on the company account.]",
    ),
    "tech_support": (
        "{The} [won't turn on|keeps restarting|freezes every few minutes]. [I've tried a reset.|"
        "I charged it overnight.|] [How do I fix this?|Any idea what to try?]",
        "I can't connect {the} to [wifi|my phone|the app]. [The light just blinks.|It says "
        "'device not found'.] [Please help.|What am I doing wrong?]",
        "Since the [latest|last firmware] update {the} [shows error E42|is stuck on the logo|has "
        "lost all its settings]. [What should I do?|How do I get it working?]",
        "How do I [reset|calibrate|update] {the}? The manual [is not clear|skips that part].",
        "{The} [makes a loud clicking noise|gets very hot|stops after ten minutes]. [Is there a "
        "fix?|How can I stop that?]",
        "The app crashes whenever I [open the settings of|try to add] {the}. [I reinstalled it "
        "twice.|My phone is up to date.] [What else can I try?|]",
        "I need help setting up {the}. [The setup stops at step 3.|It never finds my network.|The "
        "instructions are missing.]",
        "The [battery|display|sensor] of {the} [drains in an hour|went dark|acts up]. [Can you "
        "help me troubleshoot?|How do I repair that?]",
        "{The} was fine until {when}, now [nothing happens when I press start|the display stays "
        "black]. [How can I get it going again?|Can you help?]",
        "Where can I find [the manual|drivers|the firmware] for {the}? [My computer doesn't "
        "recognise it.|It won't start without an update.]",
        "I keep getting [error 503|'sync failed'|code 17] on {the}. [What does it mean?|How do I "
        "get rid of it?]",
        "{The} loses the connection [every night|when I leave the room]. [Which setting is "
        "wrong?|I'd like to know how to solve this.]",
        "I have trouble with {the}: it [won't charge|makes no sound|prints blank pages]. [What can "
        "I do about it?|Can you tell me how to solve it?]",
        "[Could you help me with|I need assistance with] {the}? It [doesn't respond to the remote|"
        "disconnects from Bluetooth all the time].",
        "{The} asks for a [password|code] that I [never set|don't have]. [How do I log in?|How can "
        "I reset it?]",
        "The update {when} broke {the}: [the menu is gone|nothing loads anymore]. [How do I undo "
        "it?|How can I restore it?]",
    ),
    "shipping": (
        "Where is {the}? I ordered it {when} and [tracking hasn't moved|there's no tracking yet|"
        "nothing has come].",
        "{Order} was [supposed to arrive|due] {when} and [still isn't here|hasn't shown up]. "
        "[Where is it?|Can you check with the carrier?]",
        "The tracking page says {the} was delivered, but [there's no package here|nobody rang|my "
        "mailbox is empty]. [Where is it?|Can you look into it?]",
        "Can you [change|update] the delivery address for {the}? [I'm moving to {city}.|It should "
        "go to our office in {city}.]",
        "When will {the} ship? The site [just says processing|gives no date].",
        "The package with {the} has been stuck [in {city}|at customs] since {when}. [Please find "
        "out what's going on.|When will it move on?]",
        "Do you know [which carrier brings|what day to expect] {the}? [I have to plan to be home.|"
        "I only got an order confirmation.]",
        "The courier left {the} [with a neighbour I don't know|at the wrong house]. [Can you ask "
        "the driver where?|Please sort this out with the carrier.]",
        "Only part of {order} [arrived|was delivered]. When [is the rest coming|can I expect the "
        "other box]?",
        "I'd like {the} [sent to a pickup point|delivered after 5 pm] instead. [Can that be "
        "arranged?|Is that possible?]",
        "I have no [tracking number|shipping confirmation] for {the} yet. [Please send it.|Has it "
        "left the warehouse?]",
        "Your email said {the} [shipped|left the warehouse] {when}, but the courier [knows nothing "
        "about it|has no record of it]. [Where is my parcel?|Please check.]",
        "[Has {the} been sent yet?|Is {the} on its way?] I [paid {when}|need to know when to be "
        "home] and [heard nothing since|there is no update on the site].",
        "{The} was [sent to|delivered to] my old address in {city}. [Can it be forwarded?|How do I "
        "get my parcel now?]",
        "Could you [combine the delivery of {the} with my next one|deliver {the} on a Saturday]? "
        "[Nobody is home on weekdays.|That would help a lot.]",
        "Still waiting for {the}. [The estimated delivery was {when}.|Your site says that it "
        "arrives soon, but for weeks.] [Any news?|When does it come?]",
    ),
    "other": (
        "Do you offer [a student discount|gift wrapping|engraving] for {the}?",
        "[Will|Does] {the} come in [black|other colours|a bigger size]?",
        "I just wanted to say that {the} is [great|the best thing I bought this year]. [Keep it "
        "up.|Thanks to your team.]",
        "How do I change the [email address|password|phone number] of my account?",
        "We'd like to [sell|review] {the} in our [shop|magazine]. Who [handles partnerships|should "
        "I talk to]?",
        "Is {the} suitable for [outdoor use|small children|left-handed people]? I'm thinking of "
        "buying one.",
        "Please [unsubscribe me from|take me off] your newsletter.",
        "Are you [hiring|looking for interns] in {city}? [I'd love to send my CV.|I have five "
        "years of experience.]",
        "How long is the warranty on {the}? [I couldn't find it on the site.|It's not mentioned "
        "anywhere.]",
        "What are your opening hours in {city}? [Can I try {the} there?|I'd like to drop by.]",
        "I have a suggestion: {the} should have a [longer cable|carrying case|dark mode]. [Please "
        "pass it on.|Just an idea.]",
        "Could you tell me where {the} is made? [I try to buy locally.|It's for a school project.]",
        "What's the difference between {the} and the [older|cheaper] model? [I can't decide.|I'd "
        "like to buy one of them.]",
        "[Great service|Lovely staff] in your {city} shop! [Just wanted to say thanks.|Please tell "
        "them.]",
        "Will {the} be [back in stock|on sale] [soon|this winter]? [I'd like to get one.|]",
        "Do you ship to [Norway|Mexico|Japan]? [I'm thinking about ordering {a}.|I can't find it "
        "in the FAQ.]",
        "[A friend recommended {the}.|I saw {the} in an advert.|I'm interested in {the}.] [Is it "
        "sold in your store in {city}?|Does it run on batteries?|Can I try it in a shop?|Is a new "
        "version planned?|Is it good for a beginner?]",
        "Do you [take back old devices|have a press contact|have a bonus programme|print a "
        "catalogue]? [I couldn't find anything about it.|A short answer is enough.]",
        "[How do I edit|Where can I change] [my profile|the name in my profile|the language of my "
        "account]?",
        "Could I [become a dealer|interview somebody|get a tour of the workshop]? [I write about "
        "{the}.|I run a small shop.]",
    ),
}

_MORE = request_bodies()

BODIES = {intent: own + _MORE.get(intent, ()) for intent, own in _BODIES.items()}
"""Templates by intent; their position is part of a row's group."""
