class ApplicationJob < ActiveJob::Base
  retry_on Once::Failure, wait: 0
end

class ThanksJob < ApplicationJob
  def perform(to, fields = {})
    InvoiceMailer.thanks(to, fields).deliver_now
  end
end

# Fails between two mails, and is retried by Active Job: each try has another jid.
class HalfJob < ApplicationJob
  def perform(first, second)
    puts "half of #{first} as #{provider_job_id}"
    InvoiceMailer.thanks(first).deliver_now
    Once.fail job_id
    InvoiceMailer.thanks(second).deliver_now
  end
end

# As above, but retried by Sidekiq.
class SidekiqHalfJob < ActiveJob::Base
  def perform(first, second)
    InvoiceMailer.thanks(first).deliver_now
    Once.fail job_id
    InvoiceMailer.thanks(second).deliver_now
  end
end

# Several mails to one person.
class DunningJob < ApplicationJob
  def perform(to)
    InvoiceMailer.overdue(to, Invoice.new(1)).deliver_now
    InvoiceMailer.overdue(to, Invoice.new(2)).deliver_now
    InvoiceMailer.with(to: to, invoice: Invoice.new(1)).reminder.deliver_now
    InvoiceMailer.with(to: to, invoice: Invoice.new(2)).reminder.deliver_now
    InvoiceMailer.paid(to, number: 1).deliver_now
    InvoiceMailer.paid(to, number: 2).deliver_now
    InvoiceMailer.notice(to, "Müller", :due, 1.5, Time.utc(2026, 1, 1), due: Date.new(2026, 1, 1)).deliver_now
    InvoiceMailer.notice(to, { b: [Invoice.new(1)], "a" => nil }, "\xff".b).deliver_now
  end
end

# Enqueues two mails, fails, and enqueues both again.
class LaterJob < ApplicationJob
  def perform(to)
    InvoiceMailer.overdue(to, Invoice.new(1)).deliver_later
    InvoiceMailer.overdue(to, Invoice.new(2)).deliver_later
    Once.fail job_id
  end
end

# Enqueues a job that is retried itself.
class LaterHalfJob < ApplicationJob
  def perform(first, second)
    HalfJob.perform_later(first, second)
    Once.fail job_id
  end
end

# Notes what it enqueued, so that its retry enqueues the second only.
class NotingJob < ApplicationJob
  def perform(to)
    [1, 2].each do |number|
      next unless Once.first?("enqueue #{number} for #{job_id}")

      InvoiceMailer.overdue(to, Invoice.new(number)).deliver_later
      Once.fail job_id
    end
  end
end

# Wants two equal mails of two jobs.
class TwiceJob < ApplicationJob
  def perform(to)
    2.times { InvoiceMailer.thanks(to).deliver_later }
    Once.fail job_id
  end
end

# Calls another job, and fails itself after it.
class OuterJob < ApplicationJob
  def perform(job, *arguments)
    job.constantize.perform_now(*arguments)
    Once.fail job_id
  end
end

# Calls one job for two reports to one person; the mailer knows nothing of them.
class ReportsJob < ApplicationJob
  def perform(to)
    [1, 2].each { |report| ReportJob.perform_now(to, report) }
    Once.fail job_id
  end
end

class ReportJob < ApplicationJob
  def perform(to, _report)
    InvoiceMailer.thanks(to).deliver_now
  end
end

# Enqueues itself for another time, so that there are three in all. Each has a mail to send.
class NextJob < ApplicationJob
  def perform(to)
    InvoiceMailer.thanks(to).deliver_now
    self.class.set(wait: 0).perform_later(to) if Once.count(to) < 3
  end
end

# Enqueues its own object again, which keeps the job_id, and fails then: one of the two is a retry.
class AgainJob < ApplicationJob
  def perform(to)
    first = Once.first?("again #{to}")
    enqueue wait: 0 if first
    InvoiceMailer.thanks(to).deliver_now
    raise Once::Failure, "failed" if first
  end
end

# Sends from where a job's code may run.
class FibersJob < ApplicationJob
  def perform(to, elsewhere)
    mail = ->(number) { InvoiceMailer.overdue(to, Invoice.new(number)).deliver_now }
    Fiber.new { mail.call(1) }.resume
    Enumerator.new { |items| items << mail.call(2) }.next
    Thread.new(3, &Mailonce.carry(&mail)).join
    Thread.new { InvoiceMailer.thanks(elsewhere).deliver_now }.join
  end
end

# Leaves a fiber behind that has not ended, and one more thread.
class LeavingJob < ApplicationJob
  FIBERS = []

  def perform(to)
    FIBERS << Fiber.new do
      Fiber.yield
      InvoiceMailer.thanks(to).deliver_now
    end
    FIBERS.last.resume
    InvoiceMailer.thanks(to).deliver_now
  end
end

# Sends a mail that an earlier job made and sent.
class KeptJob < ApplicationJob
  KEPT = {}

  def perform(to)
    mail = KEPT[to] ||= InvoiceMailer.thanks(to).message
    raise "still labelled" if mail["X-Task-Id"] || mail["X-Task-Part"]

    mail.deliver
  end
end

class DraftsJob < ApplicationJob
  def perform(to)
    InvoiceMailer.draft(to, Draft.new("one")).deliver_now
    InvoiceMailer.thanks(to).deliver_now
    InvoiceMailer.draft(to, Draft.new("one")).deliver_later
  rescue ActiveJob::SerializationError
    puts "no job for a draft"
  end
end

# Two mails that no argument tells apart.
class TwoDraftsJob < ApplicationJob
  def perform(to)
    InvoiceMailer.draft(to, Draft.new("one")).deliver_now
    InvoiceMailer.draft(to, Draft.new("two")).deliver_now
  end
end

# Likewise, but each has a part of its own.
class PartsJob < ApplicationJob
  def perform(to)
    %w[one two].each do |part|
      mail = InvoiceMailer.draft(to, Draft.new(part))
      mail["X-Task-Part"] = part
      mail.deliver_now
    end
  end
end

# Pairs of mails that the gateway takes for equal: by the domain's case, blanks, the envelope, and one part of their own.
class AlikeJob < ApplicationJob
  def perform(cased, blank, envelope, part)
    mail cased, "Alike", "one"
    mail cased.sub("example.com", "EXAMPLE.com"), "Alike", "two"
    mail blank, "Two  blanks", "one"
    mail blank, "Two blanks", "two"
    mail "one@example.com", "Alike", "one", envelope
    mail "two@example.com", "Alike", "two", envelope
    [1, 2].each { |id| InvoiceMailer.overdue(part, Invoice.new(id), "X-Task-Part" => "mine").deliver_now }
  end

  private

  def mail(to, subject, text, envelope = to)
    mail = Mail.new(from: "billing@shop.example", to: to, subject: subject, body: text)
    mail.delivery_method :smtp, InvoiceMailer.smtp_settings
    mail.smtp_envelope_to = envelope
    mail.deliver
  end
end

# Calls a job whose arguments can't be written down at all.
class CallingJob < ApplicationJob
  def perform(to)
    circle = []
    circle << circle
    CalledJob.perform_now(to, circle)
  end
end

class CalledJob < ApplicationJob
  self.log_arguments = false # Rails can't log a circle.

  def perform(to, _circle)
    InvoiceMailer.thanks(to).deliver_now
  end
end

# Calls a job whose handler of errors mails.
class OuterAlarmJob < ApplicationJob
  def perform(to)
    AlertJob.perform_now(to)
    InvoiceMailer.thanks(to).deliver_now
  end
end

class AlertJob < ApplicationJob
  rescue_from(Once::Failure) { |error| InvoiceMailer.draft(arguments.first, Draft.new(error.message)).deliver_now }

  def perform(_to)
    raise Once::Failure, "failed"
  end
end

# Arguments that can't be written down at all.
class CircularJob < ApplicationJob
  def perform(to)
    circle = []
    circle << circle
    InvoiceMailer.draft(to, Draft.new("round"), circle).deliver_now
  end
end

# For the next day, however this one ends.
class DailyJob < ApplicationJob
  discard_on Once::Failure

  def perform(to, day)
    InvoiceMailer.thanks(to).deliver_now
    raise Once::Failure, "no sync" if day == 1
  ensure
    self.arguments = [to, day + 1]
    enqueue if day < 2
  end
end

# Without ActionMailer.
class MailJob < ApplicationJob
  def perform(to)
    mail = Mail.new(from: "billing@shop.example", to: to, subject: "Plain", body: "Plain")
    mail.delivery_method :smtp, InvoiceMailer.smtp_settings
    mail.deliver!
  end
end

# Tells of an error on each try.
class AlarmJob < ApplicationJob
  rescue_from(Once::Failure) do |error|
    InvoiceMailer.draft(arguments.first, Draft.new(error.message)).deliver_now
    retry_job wait: 0
  end

  def perform(_to)
    raise Once::Failure, "failed" if executions < 3
  end
end
