# Runs outside Sidekiq what the test asks for, by the name of a method and its arguments.
require_relative "config/environment"

module Outside
  def self.mail(to)
    InvoiceMailer.thanks(to).deliver_now
  end

  def self.later(to)
    InvoiceMailer.thanks(to).deliver_later
  end

  # As a queue's adapter does.
  def self.execute(data)
    ActiveJob::Base.execute(data)
  end

  # One job object, which has one job_id.
  def self.enqueue_twice(to)
    job = ThanksJob.new(to)
    2.times { job.enqueue }
  end

  # Fails after half, and retry_on enqueues the rest.
  def self.perform_now(first, second)
    HalfJob.perform_now(first, second)
  end

  def self.inline(to)
    with_adapter(:inline) { LaterParentJob.perform_later(to) }
    InvoiceMailer.thanks(to).deliver_now
  end

  def self.async(to)
    with_adapter(ActiveJob::QueueAdapters::AsyncAdapter.new(max_threads: 1)) do |adapter|
      2.times { ThanksJob.perform_later(to) }
      adapter.shutdown
    end
  end

  # A fiber of a job that has ended.
  def self.leaving(to)
    LeavingJob.perform_now(to)
    LeavingJob::FIBERS.last.resume
  end

  # A mail of a job, sent again as it was stored.
  def self.resend(to)
    ThanksJob.perform_now(to)
    mail = Mail.new(Archive::MAILS.last)
    mail.delivery_method :smtp, InvoiceMailer.smtp_settings
    mail.deliver
  end

  # What an interceptor gets, as one that signs, then a delivery method, and what is there afterwards.
  def self.fields(to, part = nil)
    seen = ->(mail) { mail.header_fields.map { |field| "#{field.name}: #{field.value}" }.grep(/task/i) }
    signer = Class.new { define_singleton_method(:delivering_email) { |mail| puts "signed: #{seen.call(mail)}" } }
    delivery = Class.new do
      define_method(:initialize) { |_settings| }
      define_method(:settings) { {} }
      define_method(:deliver!) { |mail| puts "fields: #{seen.call(mail)}" }
    end
    Mail.register_interceptor(signer)
    with_delivery(delivery) { ThanksJob.perform_now(to, { "X-Task-Part" => part }.compact) }
    with_delivery(:test) { ThanksJob.perform_now(to) }
    puts "afterwards: #{InvoiceMailer.deliveries.map(&seen)}"
  ensure
    Mail.unregister_interceptor(signer)
  end

  def self.with_delivery(delivery)
    ActionMailer::Base.add_delivery_method(:seen, delivery) unless delivery == :test
    InvoiceMailer.delivery_method = delivery == :test ? :test : :seen
    yield
  ensure
    InvoiceMailer.delivery_method = :smtp
  end

  def self.with_adapter(adapter)
    before = ActiveJob::Base.queue_adapter
    ActiveJob::Base.queue_adapter = adapter
    yield ActiveJob::Base.queue_adapter
  ensure
    ActiveJob::Base.queue_adapter = before
  end
end

class LaterParentJob < ApplicationJob
  def perform(to)
    InvoiceMailer.overdue(to, Invoice.new(1)).deliver_later
    InvoiceMailer.overdue(to, Invoice.new(2)).deliver_now
  end
end

$stdout.sync = true
puts "outside: ready"
loop do
  _, call = Sidekiq.redis { |redis| redis.blpop("outside") }
  name, *arguments = JSON.parse(call)
  Outside.public_send(name, *arguments)
  puts "outside: #{name} done"
end
